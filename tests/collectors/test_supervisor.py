"""What is collected, from the catalogue on; what goes wrong on the way is in test_faults_of_*.py."""

import itertools
import json
from dataclasses import replace

import anyio
import pytest

from collectors.supervisor import Collecting
from collectors.venue import Ask, Limits, Liquidated, Ratio, Remembering, Said, Segment, Tier, Traded, Update
from store.records import (
    Event,
    FeedClass,
    Flag,
    Health,
    Instrument,
    Kind,
    Liquidation,
    LongShort,
    MarginTier,
    Side,
    Source,
    Unit,
    Volume,
)  # fmt: skip
from tests.collectors.toy import OI, POLL, QUICK, SOCKET, Exchange, Frame, Peer, collecting, venue

pytestmark = pytest.mark.anyio


async def flowing(peer: Peer) -> None:
    await peer.take()
    await peer.flow(*peer.asked[0])


async def idle(_: Peer) -> None:
    return


async def test_only_the_assets_asked_for_are_collected() -> None:
    exchange = Exchange(flowing, [("BTCUSDT", "BTC"), ("DOGEUSDT", "DOGE"), ("ETHUSDT", "ETH")])
    async with collecting(exchange, collecting=Collecting()) as records:
        await records.until(lambda: records.readings("ETHUSDT"))
    assert exchange.peers[0].asked[0] == ["BTCUSDT", "ETHUSDT"]
    assert [i.symbol for i in records.of(Instrument)] == ["BTCUSDT", "ETHUSDT"]


def test_what_is_wanted() -> None:
    btc = Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT")
    assert Collecting().wants(btc)
    assert not Collecting().wants(replace(btc, quote="EUR")), "nobody says what a euro is worth in USD"
    assert not Collecting(assets=frozenset({"ETH"})).wants(btc)
    assert not Collecting().wants(replace(btc, live=False))
    assert not Collecting().wants(replace(btc, kind=Kind.DATED))
    assert Collecting(assets=None, universe=frozenset({Kind.DATED})).wants(replace(btc, kind=Kind.DATED))
    assert Collecting().wants(replace(btc, kind=Kind.DATED), only=Kind.DATED)
    segment = venue().segments[0]
    assert Collecting().asks(segment)
    assert not Collecting().asks(replace(segment, lists=Kind.DATED))
    assert Collecting().asks(replace(segment, lists=Kind.DATED), only=Kind.DATED)


DATED = frozenset({Kind.DATED})


async def test_a_segment_of_dated_contracts_is_not_asked_unless_the_universe_has_them() -> None:
    def of(universe: frozenset[Kind]) -> Collecting:
        return Collecting(assets=None, universe=universe, simulated=True)

    def dated(given: Segment) -> Segment:
        read = given.read
        return replace(
            given, id="dated", catalogue=Ask("https://toy/dated"), lists=Kind.DATED,
            read=lambda rows: [replace(i, segment="dated", kind=Kind.DATED, symbol="BTC-X") for i in read(rows)],
        )  # fmt: skip

    toy = venue()
    both = replace(toy, segments=(toy.segments[0], dated(toy.segments[0])))
    for universe, symbols in (
        (frozenset({Kind.PERPETUAL}), {"BTC"}),
        (DATED, {"BTC-X"}),
        (frozenset(Kind), {"BTC", "BTC-X"}),
    ):
        exchange = Exchange(flowing)
        async with collecting(exchange, both, collecting=of(universe)) as records:
            await records.until(lambda: all(records.readings(s) for s in symbols))  # noqa: B023 - ends in this turn
        assert {i.symbol for i in records.of(Instrument)} == symbols
        assert ("/dated?" in [path for _, path in exchange.requests]) == (Kind.DATED in universe)
        assert {symbol for peer in exchange.peers for asked in peer.asked for symbol in asked} == symbols


async def test_an_expired_contract_is_closed_at_its_expiry_however_long_the_venue_lists_it() -> None:
    exchange = Exchange(flowing, [("BTC-X", "BTC"), ("BTC-Y", "BTC")])
    toy = venue()
    ends = {"BTC-X": exchange.clock.ms() + 1_500, "BTC-Y": exchange.clock.ms() + 86_400_000}
    read = toy.segments[0].read
    dated = replace(
        toy.segments[0],
        read=lambda rows: [replace(i, kind=Kind.DATED, expiry=ends[i.symbol]) for i in read(rows)],
    )
    with_both = Collecting(assets=None, universe=DATED, simulated=True)
    async with collecting(exchange, replace(toy, segments=(dated,)), collecting=with_both) as records:
        await records.until(lambda: records.readings("BTC-X") and records.readings("BTC-Y"))
        await records.until(lambda: records.states("BTC-X")[-1] == "closed")
        heard = len(records.readings("BTC-Y"))
        await records.until(lambda: len(records.readings("BTC-Y")) > heard)
    assert exchange.clock.ms() < ends["BTC-X"] + 20_000, "long before the catalogue was due"
    assert [i.live for i in records.of(Instrument) if i.symbol == "BTC-X"] == [True, False]
    assert records.readings("BTC-X")[-1].seen <= ends["BTC-X"] + 5_000


async def test_a_venue_that_lists_nothing_wanted_says_so() -> None:
    async with collecting(Exchange(flowing, [("DOGE", "DOGE")]), collecting=Collecting()) as records:
        health: Health = await records.until(
            lambda: next((h for h in records.of(Health) if h.state == "waiting"), None)
        )
    assert (health.symbol, health.detail) == ("", "lists nothing that is asked for")


async def test_a_catalogue_is_read_page_after_page() -> None:
    pages = [["BTC", "p2"], ["ETH", ""]]

    def page() -> tuple[int, dict[str, str], str]:
        symbol, after = pages.pop(0)
        return 200, {}, json.dumps([symbol, after])

    def segment(given: Segment) -> Segment:
        return replace(
            given,
            decode=lambda text: json.loads(text),
            read=lambda reply: [Instrument("toy", "main", reply[0], reply[0], "USDT", "USDT")],
            more=lambda reply: Ask(f"https://toy/catalogue?page={reply[1]}") if reply[1] else None,
        )

    exchange = Exchange(flowing, replies={"/catalogue": page})
    toy = venue()
    async with collecting(exchange, replace(toy, segments=(segment(toy.segments[0]),))) as records:
        await records.until(lambda: records.readings("ETH") and records.readings("BTC"))
    assert [path for _, path in exchange.requests] == ["/catalogue?", "/catalogue?page=p2"]


async def test_instruments_are_split_over_connections() -> None:
    exchange = Exchange(flowing, [(s, s) for s in "ABCDE"])
    async with collecting(exchange, venue(replace(SOCKET, per_socket=2))) as records:
        await records.until(lambda: all(records.readings(s) for s in "ABCDE"))
    assert sorted(peer.asked[0] for peer in exchange.peers) == [["A", "B"], ["C", "D"], ["E"]]


async def test_one_reply_for_all_is_asked_for_again_and_again() -> None:
    rows = itertools.count(1000)

    def reply() -> tuple[int, dict[str, str], str]:
        return 200, {}, json.dumps([{"kind": "snap", "symbol": "BTC", "oi": next(rows), "mark": 10}])

    exchange = Exchange(idle, replies={"/oi": reply})
    begun = exchange.clock()
    async with collecting(exchange, venue(POLL)) as records:
        await records.until(lambda: len(records.readings()) >= 3)
    assert [(r.raw, r.source) for r in records.readings()[:3]] == [(1000 + k, Source.POLL) for k in range(3)]
    asked = [at for at, path in exchange.called if path.startswith("/oi")]
    assert all(at - begun >= place * POLL.every - 0.001 for place, at in enumerate(asked))
    assert "live" in records.states()


async def test_a_report_is_one_record_however_often_it_is_read_and_is_valued_by_others() -> None:
    poll = replace(POLL, gives=frozenset({"oi"}), cadence=604_800)
    exchange = Exchange(idle)
    tuesday = exchange.clock.ms() - 5 * 86_400_000
    report = json.dumps([{"kind": "snap", "symbol": "BTC", "ts": tuesday, "oi": 5}])
    exchange.replies["/oi"] = lambda: (200, {}, report)
    async with collecting(exchange, venue(poll), worth={"BTC": (60_000.0, exchange.clock.ms())}.get) as records:
        await records.until(lambda: sum(path.startswith("/oi") for _, path in exchange.called) >= 4)
        await records.until(lambda: any(h.cadence_s == 604_800 for h in records.of(Health)))
    assert [(r.raw, r.usd, r.ts, r.flags & Flag.BORROWED_MARK) for r in records.readings()] == [
        (5.0, 300_000.0, tuesday, Flag.BORROWED_MARK)
    ]


async def test_a_report_is_valued_as_soon_as_a_price_is_known_and_not_asked_for_again() -> None:
    exchange, prices = Exchange(idle), dict[str, tuple[float, int]]()
    report = json.dumps([{"kind": "snap", "symbol": "BTC", "ts": exchange.clock.ms() - 86_400_000, "oi": 5}])
    exchange.replies["/oi"] = lambda: (200, {}, report)
    poll = replace(POLL, gives=frozenset({"oi"}), every=900, cadence=604_800)
    async with collecting(exchange, venue(poll), worth=prices.get) as records:
        await records.until(lambda: any(path.startswith("/oi") for _, path in exchange.called))
        prices["BTC"] = (60_000.0, exchange.clock.ms())
        await records.until(records.readings)
    assert [(r.raw, r.usd) for r in records.readings()] == [(5.0, 300_000.0)]
    assert sum(path.startswith("/oi") for _, path in exchange.called) == 1


async def test_a_report_makes_no_record_while_nobody_tells_a_price() -> None:
    exchange = Exchange(idle)
    exchange.replies["/oi"] = lambda: (200, {}, '[{"kind": "snap", "symbol": "BTC", "oi": 5}]')
    async with collecting(exchange, venue(replace(POLL, gives=frozenset({"oi"})))) as records:
        await records.until(lambda: sum(path.startswith("/oi") for _, path in exchange.called) >= 3)
    assert records.readings() == []


async def test_questions_an_instrument_are_spread_over_the_period_and_may_be_set_by_the_user() -> None:
    poll = replace(POLL, ask=lambda i: Ask(f"https://toy/oi?symbol={i.symbol}"), every=60)
    exchange = Exchange(idle, [("A", "A"), ("B", "B")])
    exchange.replies["/oi"] = lambda: (200, {}, '[{"kind": "snap", "oi": 5, "mark": 10}]')  # names nobody
    wanted = Collecting(assets=None, poll_every={"toy": 0.4})
    begun = exchange.clock()
    async with collecting(exchange, venue(poll), collecting=wanted) as records:
        await records.until(lambda: len(records.readings("B")) == 2 and len(records.readings("A")) == 3)
    asked = [(at - begun, path[-1]) for at, path in exchange.called if path.startswith("/oi")]
    assert [symbol for _, symbol in asked[:5]] == ["A", "B", "A", "B", "A"]
    earliest = (0.0, 0.0, 0.4, 0.6, 0.8)  # the first round at once, the second spread over the period
    assert [at >= due - 0.001 for due, (at, _) in zip(earliest, asked[:5], strict=True)] == [True] * 5


async def test_daily_questions_are_asked_in_one_round_at_the_beginning_of_the_day() -> None:
    poll = replace(
        POLL, gives=frozenset({"tiers"}), ask=lambda i: Ask(f"https://toy/oi?symbol={i.symbol}"), every=86_400
    )
    exchange = Exchange(idle, [("A", "A"), ("B", "B"), ("C", "C")])
    exchange.replies["/oi"] = lambda: (200, {}, "[]")
    begun = exchange.clock()
    async with collecting(exchange, venue(poll), rhythm=replace(QUICK, round=0.6)) as records:
        await records.until(lambda: any(path.endswith("C") for _, path in exchange.requests))
    asked = [(at - begun, path[-1]) for at, path in exchange.called if path.startswith("/oi")]
    assert [symbol for _, symbol in asked] == ["A", "B", "C"]
    assert [at >= 0.2 * place - 0.001 for place, (at, _) in enumerate(asked)] == [True] * 3


async def test_a_daily_question_that_failed_is_asked_again_soon_and_then_more_and_more_seldom() -> None:
    poll = replace(POLL, gives=frozenset({"tiers"}), ask=lambda i: Ask(f"https://toy/{i.symbol}"), every=86_400)
    refusals = iter([404, 500, 404, 500])
    exchange = Exchange(idle, [("A", "A"), ("B", "B"), ("C", "C")])
    exchange.replies = {f"/{symbol}": lambda: (200, {}, "[]") for symbol in "AC"}
    exchange.replies["/B"] = lambda: (next(refusals, 200), {}, "[]")
    rhythm = replace(QUICK, round=0.1, again=0.2, again_max=0.4)
    async with collecting(exchange, venue(poll), rhythm=rhythm) as records:
        await records.until(lambda: sum(path == "/B?" for _, path in exchange.called) == 5)
        later = exchange.clock() + 1.0
        await records.until(lambda: exchange.clock() > later)
    asked = [path for _, path in exchange.called if path in ("/A?", "/B?", "/C?")]
    assert asked == ["/A?", "/B?", "/C?", "/B?", "/B?", "/B?", "/B?"], "who answered is asked tomorrow"
    at = [at for at, path in exchange.called if path == "/B?"]
    waits = [late - early for early, late in itertools.pairwise(at)]
    assert [wait >= least for wait, least in zip(waits, (0.2, 0.4, 0.4, 0.4), strict=True)] == [True] * 4


async def test_a_round_of_daily_questions_that_was_cut_short_goes_on_where_it_was() -> None:
    poll = replace(POLL, gives=frozenset({"tiers"}), ask=lambda i: Ask(f"https://toy/{i.symbol}"), every=86_400)
    limited = [True]

    def answer() -> tuple[int, dict[str, str], str]:
        return (429, {"Retry-After": "1"}, "slow down") if limited and limited.pop() else (200, {}, "[]")

    exchange = Exchange(idle, [("A", "A"), ("B", "B"), ("C", "C")])
    exchange.replies = {"/A": lambda: (200, {}, "[]"), "/B": answer, "/C": lambda: (200, {}, "[]")}
    async with collecting(exchange, venue(poll), rhythm=replace(QUICK, round=0.1)) as records:
        await records.until(lambda: any(path.startswith("/C") for _, path in exchange.requests))
    paths = ["/A?", "/B?", "/C?"]
    asked = [(at, path) for at, path in exchange.requests if path in paths]
    assert [path for _, path in asked] == ["/A?", "/B?", "/B?", "/C?"]
    assert asked[2][0] - asked[1][0] >= 0.9, "the wait that was asked for"


async def test_open_interest_is_asked_for_at_once_the_first_time_but_by_half_of_the_budget() -> None:
    poll = replace(POLL, ask=lambda i: Ask(f"https://toy/oi?symbol={i.symbol}", weight=3.0), every=60)
    exchange = Exchange(idle, [("A", "A"), ("B", "B"), ("C", "C")])
    exchange.replies["/oi"] = lambda: (200, {}, '[{"kind": "snap", "oi": 5, "mark": 10}]')
    begun = exchange.clock()
    async with collecting(exchange, venue(poll, limits=Limits(weight=30, per=1))) as records:
        await records.until(lambda: records.readings("C"))
    asked = [at - begun for at, path in exchange.called if path.startswith("/oi")]
    assert [at >= 0.2 * place - 0.001 for place, at in enumerate(asked)] == [True] * 3
    assert asked[-1] < 5.0  # the period would have it after 40 s


async def test_a_poll_that_fails_is_a_gap_for_its_symbol_only() -> None:
    poll = replace(POLL, ask=lambda i: Ask(f"https://toy/{i.symbol}"))
    bad = [True]
    exchange = Exchange(idle, [("A", "A"), ("B", "B")])
    exchange.replies["/A"] = lambda: (200, {}, '[{"kind": "snap", "symbol": "A", "oi": 5, "mark": 10}]')
    exchange.replies["/B"] = lambda: (
        (400, {}, "unknown symbol") if bad else (200, {}, '[{"kind": "snap", "symbol": "B", "oi": 5, "mark": 10}]')
    )
    async with collecting(exchange, venue(poll)) as records:
        await records.until(lambda: records.gaps("B") and len(records.readings("A")) > 2)
        bad.clear()
        await records.until(lambda: len(records.gaps("B")) == 2)
        assert records.gaps("A") == []
    assert records.gaps("B")[0].reason == "down: HTTP 400: unknown symbol"


async def test_two_feeds_make_one_record() -> None:
    def marks(frame: Frame) -> list[Said]:
        return [Update(frame.symbol, mark=float(frame.mark or 0))] if frame.kind == "snap" else []

    socket = replace(SOCKET, gives=frozenset({"mark"}), parse=marks)
    exchange = Exchange(flowing)
    exchange.replies["/oi"] = lambda: (200, {}, '[{"kind": "snap", "symbol": "BTC", "oi": 5, "ts": 1790000000000}]')
    async with collecting(exchange, venue(replace(POLL, gives=frozenset({"oi"})), socket)) as records:
        await records.until(lambda: records.readings())
        assert (records.readings()[0].usd, records.readings()[0].ts) == (250_000.0, 1_790_000_000_000)
        await exchange.peers[0].ws.close()
        await records.until(lambda: [g for g in records.gaps() if g.end is not None])
    assert records.gaps()[0].reason.startswith("mark: down: ")
    assert "down" not in records.states()


async def test_forced_closes_are_records_and_a_feed_of_them_may_be_silent() -> None:
    def deaths(frame: Frame) -> list[Said]:
        if frame.kind != "death":
            return []
        return [Liquidated("BTC", frame.ts, Side.LONG, 2.0, Unit.BASE, 100.0, FeedClass.FULL)]

    async def talk(peer: Peer) -> None:
        await peer.take()
        if peer.place == 0:
            await peer.send(kind="death", ts=exchange.clock.epoch)
            await anyio.sleep(0.3)
            return
        await peer.listen()

    socket = replace(SOCKET, gives=frozenset({"liquidations"}), parse=deaths, cadence=None)
    exchange = Exchange(talk)
    async with collecting(exchange, venue(socket)) as records:
        (death,) = await records.until(lambda: records.of(Liquidation))
        assert (death.ts, death.usd, death.side) == (exchange.clock.epoch, 200.0, Side.LONG)
        await records.until(lambda: len(records.of(Event)) == 2)
        assert records.gaps() == []  # open interest was not in this feed, and is not missed
    opened, ended = (json.loads(event.detail) for event in records.of(Event)[:2])
    assert opened["reason"].startswith("liquidations: down: ")
    assert (opened["symbol"], opened["end"]) == ("BTC", None)
    assert ended["start"] == opened["start"] <= ended["end"]


async def test_a_new_listing_is_collected_and_a_delisted_one_is_closed() -> None:
    exchange = Exchange(flowing, [("A", "A"), ("B", "B")])
    async with collecting(exchange, rhythm=replace(QUICK, catalogue=0.2)) as records:
        await records.until(lambda: records.readings("A") and records.readings("B"))
        exchange.listed = [("A", "A"), ("C", "C")]
        await records.until(lambda: records.readings("C") and "closed" in records.states("B"))
        count = len(records.readings("B"))
        await records.until(lambda: len(records.readings("C")) > 3)
    assert records.states("C")[:2] == ["connecting", "live"]
    assert records.states("B")[-1] == "closed"  # although the venue goes on sending it for a while
    assert len(records.readings("B")) == count
    assert records.gaps("B") == []
    assert [i.live for i in records.of(Instrument) if i.symbol == "B"] == [True, False]


async def test_an_unknown_symbol_has_the_catalogue_read_again() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        exchange.listed.append(("NEW", "NEW"))
        await peer.flow("A", "NEW")

    exchange = Exchange(talk, [("A", "A")])
    async with collecting(exchange) as records:
        await records.until(lambda: records.readings("NEW"))  # the old line says it too, so that may come first
        await records.until(lambda: ["NEW"] in [peer.asked[0] for peer in exchange.peers if peer.asked])


async def test_a_parse_that_counts_places_is_made_of_the_whole_catalogue_and_made_again_when_it_changes() -> None:
    made: list[list[str]] = []

    def make(listing: object, wanted: object) -> object:
        symbols = [i.symbol for i in listing]  # type: ignore[attr-defined]  # a list of instruments
        made.append(symbols)
        return lambda frame: [Update(symbols[int(frame.symbol)], None, 7.0, OI, 10.0)] if frame.kind == "snap" else []

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.flow("1")

    exchange = Exchange(talk, [("X", "X"), ("BTC", "BTC")])
    socket = replace(SOCKET, parse=Remembering(make))  # type: ignore[arg-type]  # typed loosely, for short
    wanted = Collecting()
    async with collecting(exchange, venue(socket), rhythm=replace(QUICK, catalogue=0.2), collecting=wanted) as records:
        await records.until(lambda: records.readings("BTC"))
        exchange.listed = [("X", "X"), ("BTC", "BTC"), ("Y", "Y")]
        await records.until(lambda: len(exchange.peers) == 2)
        await records.until(lambda: exchange.peers[0].ws.close_code is not None)
        assert records.gaps() == []
    assert made == [["X", "BTC"], ["X", "BTC", "Y"]]


async def test_readings_are_marked_as_simulated() -> None:
    async with collecting(Exchange(flowing)) as records:
        await records.until(lambda: records.readings())
    assert records.readings()[0].simulated
    assert records.readings()[0].flags & Flag.RESYNC


async def test_a_closed_venue_is_not_dialled() -> None:
    exchange = Exchange(flowing)
    closed = replace(venue(id="gone"), closed_on="2025-01-01")
    async with collecting(exchange, closed, venue()) as records:
        await records.until(lambda: records.readings())
    assert [h for h in records.of(Health) if h.venue == "gone"] == []


async def test_health_is_told_again_and_again_with_counts() -> None:
    async with collecting(Exchange(flowing)) as records:
        await records.until(lambda: len([h for h in records.of(Health) if h.symbol == "" and h.state == "live"]) >= 3)
    rows = [h for h in records.of(Health) if h.symbol == "" and h.state == "live"]
    assert rows[0].since == rows[2].since
    assert rows[2].frames > rows[1].frames
    assert rows[2].cadence_s == 0.1
    assert rows[2].last_seen is not None
    assert 0 <= rows[2].ts - rows[2].last_seen < 200
    symbol = [h for h in records.of(Health) if h.symbol == "BTC"]
    assert symbol[-1].last_seen is not None


async def test_minutes_and_ratios_are_records_and_their_silence_is_no_gap_in_open_interest() -> None:
    def words(frame: Frame) -> list[Said]:
        if frame.kind != "snap":
            return []
        return [
            Traded("BTC", 1_790_000_040_000, 3.0, Unit.BASE, final=True),
            Ratio("BTC", 1_790_000_040_000, "account", 1.5),
        ]

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap()
        if peer.place > 0:
            await peer.flow()
        await peer.ws.wait_closed()  # silence, which is noticed

    besides = replace(SOCKET, gives=frozenset({"volume", "ratios"}), parse=words)
    exchange = Exchange(
        talk, replies={"/oi": lambda: (200, {}, '[{"kind": "snap", "symbol": "BTC", "oi": 5, "mark": 10}]')}
    )
    async with collecting(exchange, venue(POLL, besides)) as records:
        await records.until(lambda: len(records.of(Event)) == 2 and records.readings())
        assert records.gaps() == []
    assert [(v.ts, v.base) for v in records.of(Volume)] == [(1_790_000_040_000, 3.0)]
    assert [(r.kind, r.ratio) for r in records.of(LongShort)] == [("account", 1.5)]
    opened, ended = (json.loads(event.detail) for event in records.of(Event)[:2])
    assert opened["reason"].startswith("ratios, volume: stale: no data")
    assert opened["start"] == ended["start"] <= ended["end"]


async def test_a_poll_of_ladders_makes_steps_in_dollars_once_there_is_a_mark() -> None:
    def steps(_: object) -> list[Said]:
        return [Tier("", 1, 0.0, 2.0, Unit.BASE, 0.01)]

    poll = replace(
        POLL, ask=lambda i: Ask(f"https://toy/tiers?symbol={i.symbol}"), gives=frozenset({"tiers"}), parse=steps
    )
    exchange = Exchange(flowing, replies={"/tiers": lambda: (200, {}, "[]")})
    async with collecting(exchange, venue(SOCKET, poll)) as records:
        (step,) = await records.until(lambda: records.of(MarginTier))
        assert records.gaps() == []
        asked = len([path for _, path in exchange.called if path.startswith("/tiers")])
        await records.until(lambda: len([p for _, p in exchange.called if p.startswith("/tiers")]) > asked + 2)
        assert records.of(MarginTier) == [step]
    assert (step.instrument.symbol, step.upper, step.maintenance) == ("BTC", 100_000.0, 0.01)


async def test_a_symbol_that_is_listed_but_not_wanted_does_not_have_the_catalogue_read_again() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.flow("BTC", "DOGE")

    exchange = Exchange(talk, [("BTC", "BTC"), ("DOGE", "DOGE")])
    async with collecting(exchange, collecting=Collecting()) as records:
        await records.until(lambda: len(records.readings()) > 20)
    assert len([path for _, path in exchange.requests if path.startswith("/catalogue")]) == 1


async def test_a_symbol_that_no_catalogue_ever_names_is_looked_for_less_and_less_often() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.flow("BTC", "GHOST")

    exchange = Exchange(talk)
    async with collecting(exchange) as records:
        await records.until(lambda: len([p for _, p in exchange.called if p.startswith("/catalogue")]) == 5)
    read = [at for at, path in exchange.called if path.startswith("/catalogue")]
    waits = [late - early for early, late in itertools.pairwise(read)]
    assert [wait > 0.05 * 2**place for place, wait in enumerate(waits)] == [True] * 4
