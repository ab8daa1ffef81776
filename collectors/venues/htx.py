"""HTX USDT-margined (linear) and coin-margined (inverse) swaps. No socket carries open interest: it is asked for.

`volume`, in contracts, counts both sides by the documents. Every frame from the venue is gzip; its sockets speak two
dialects, each with a ping of its own (`ping`, `op`). Mark and index have a socket apart; funding and ratios are asked.
"""

from collections.abc import Iterable, Sequence
from typing import Generic, Literal, TypeVar

from msgspec import Struct, convert

from collectors.candles import settled
from collectors.venue import (
    Acked, Answer, Archive, Ask, History, Limits, Liquidated, Message, Poll, Ratio, RatioKind, Refused, Said,
    Segment, Socket, Update, Venue, plain,
)  # fmt: skip
from collectors.wire import Number, coin, number, unpacked, whole, wire
from store.records import FeedClass, Field, Instrument, Payoff, Side, Status, Unit

REST, WS, AWS, READ = "https://api.hbdm.com", "wss://api.hbdm.com", "wss://api.hbdm.vn", unpacked(plain)
SIDES = {"sell": Side.LONG, "buy": Side.SHORT}  # of the closing order
TWICE = "documented as the sum of buy and sell sides; a public aggregator halves it too"
CONTRACTS = Field("volume", Unit.CONTRACTS, 2, Status.DOCUMENTED, evidence=TWICE)
COINS = Field("volume", Unit.BASE, 2, Status.DOCUMENTED, evidence=TWICE)  # of a past that was asked for in coins
T = TypeVar("T")


class Reply(Struct, Generic[T]):
    data: list[T] | T
    ts: int  # ms


class Level(Struct):
    contract_code: str
    volume: Number
    trade_volume: Number  # unused: tells a level from a forced close, which has a volume too
    value: Number = None  # quote units, linear only: held against the contracts at our mark


class Rate(Struct):
    contract_code: str
    funding_rate: Number
    funding_time: Number  # ms
    next_funding_time: Number = None


class Death(Struct):
    contract_code: str
    direction: Literal["buy", "sell"]
    volume: float
    price: float
    created_at: int


class RestDeath(Struct):
    contract_code: str
    liquidation_time: int
    position_side: Side
    volume: float
    bankrupt_price: float


class Point(Struct):
    ts: int
    volume: Number
    amount_type: Literal[1, 2]  # contracts, coins


class Past(Struct):
    contract_code: str
    tick: list[Point]


class Elite(Struct):
    contract_code: str
    list: list[dict[str, float | None]]  # shares of 1, and their time


class Listing(Struct):
    symbol: str
    contract_code: str
    contract_size: float
    contract_status: int
    contract_type: str = "swap"  # coin-margined ones do not say


def prices(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    for i in instruments:
        for what in ("mark_price.1min", "basis.1min.close"):
            yield {"sub": f"market.{i.symbol}.{what}", "id": str(request)}


def deaths(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    return [{"op": "sub", "cid": str(request), "topic": f"public.{i.symbol}.liquidation_orders"} for i in instruments]


def answer(frame: Message) -> Message | None:
    if "ping" in frame:
        return {"pong": frame["ping"]}
    return {"op": "pong", "ts": frame["ts"]} if frame.get("op") == "ping" else None


def parse(frame: Message) -> Iterable[Said]:
    topic: str = frame.get("ch") or frame.get("topic") or frame.get("subbed") or ".."
    _, symbol, what = topic.split(".", 2)
    if "tick" in frame and what.startswith("mark_price."):
        return (Update(symbol, whole(frame["ts"]), mark=number(frame["tick"]["close"])),)
    if "tick" in frame and what.startswith("basis."):
        return (Update(symbol, whole(frame["ts"]), index=number(frame["tick"]["index_price"])),)
    if frame.get("op") == "notify" and what == "funding_rate":
        return rates(convert(frame, Reply[Rate], strict=False))
    if frame.get("op") == "notify" and what == "liquidation_orders":
        rows = convert(frame["data"], list[Death], strict=False)
        return [died(d.contract_code, d.created_at, SIDES[d.direction], d.volume, d.price) for d in rows]
    said, code = str(frame.get("cid", frame.get("id", ""))), frame.get("err-code", 0)
    request = int(said) if said.isdigit() else None
    if code != 0:
        return (Refused(f"{code} {frame['err-msg']}", request, symbol or None),)
    taken = frame.get("op") == "sub" or ".mark_price." in frame.get("subbed", "")  # a basis alone would price nothing
    return (Acked(request, symbol),) if taken else ()


def died(symbol: str, ts: int, side: Side, size: float, price: float) -> Liquidated:
    return Liquidated(symbol, ts, side, size, Unit.CONTRACTS, price, FeedClass.THROTTLED)  # how much is undocumented


def asked_deaths(rows: Sequence[RestDeath]) -> Iterable[Said]:
    return [died(d.contract_code, d.liquidation_time, d.position_side, d.volume, d.bankrupt_price) for d in rows]


def levels(reply: Reply[Level]) -> Iterable[Said]:
    rows = reply.data if isinstance(reply.data, list) else [reply.data]
    return [Update(r.contract_code, reply.ts, number(r.volume), CONTRACTS, usd=number(r.value)) for r in rows]


def rates(reply: Reply[Rate]) -> Iterable[Said]:
    for r in reply.data if isinstance(reply.data, list) else [reply.data]:
        now, then = number(r.funding_time), number(r.next_funding_time)
        hours = None if now is None or then is None else (then - now) / 3_600_000
        yield Update(r.contract_code, reply.ts, funding=number(r.funding_rate), funding_interval_h=hours)


def past(reply: Past) -> Iterable[Said]:
    fields = {1: CONTRACTS, 2: COINS}
    return [Update(reply.contract_code, p.ts, number(p.volume), fields[p.amount_type]) for p in reply.tick]


def segment(id: str, payoff: Payoff, api: str) -> Segment:
    inverse, v1 = payoff is Payoff.INVERSE, f"{REST}/{api}-api/v1"

    def read(rows: list[Listing]) -> Iterable[Instrument]:
        for row in rows:
            if row.contract_type == "swap":
                (asset, factor), quote = coin(row.symbol), row.contract_code.rpartition("-")[2]
                yield Instrument(
                    "htx", id, row.contract_code, asset, quote, asset if inverse else quote, payoff=payoff,
                    contract_size=row.contract_size, base_factor=factor, live=row.contract_status == 1,
                    funding_interval_h=8.0 if inverse else None,  # linear ones say it with every rate
                )  # fmt: skip

    def elite(kind: RatioKind, what: str) -> Poll:
        def parse(reply: Elite) -> Iterable[Said]:
            newest = max(reply.list, key=lambda share: share["ts"] or 0)
            ts, longs, shorts = newest["ts"], newest["buy_ratio"], newest["sell_ratio"]
            if ts and longs is not None and shorts:
                yield Ratio(reply.contract_code, int(ts), kind, longs / shorts)

        asked = f"{v1}/swap_elite_{what}_ratio?period=5min&contract_code="
        return Poll(lambda i: Ask(asked + i.symbol), 300, frozenset({"ratios"}), parse, wire(Elite, "data"))

    def ask_past(i: Instrument, start: int, end: int) -> Ask:
        whom = f"contract_code={i.symbol}{'' if inverse else '&contract_type=swap'}"
        return Ask(f"{v1}/swap_his_open_interest?{whom}&period=60min&amount_type=1&size=200")

    def ask_rate(i: Instrument) -> Ask:
        return Ask(f"{REST}/v5/market/funding_rate?contract_code={i.symbol}")

    def ask_level(i: Instrument) -> Ask:
        return Ask(f"{REST}/v5/market/open_interest?contract_code={i.symbol}")

    newest = (  # the newest hundred, or fifty
        settled(lambda i, _, __: Ask(f"{REST}/v5/market/funding_rate_history?contract_code={i.symbol}&limit=100"),
                "funding_time", "funding_rate", 100, 33, "data", bounded=False) if not inverse else
        settled(lambda i, _, __: Ask(f"{v1}/swap_historical_funding_rate?contract_code={i.symbol}&page_size=50"),
                "funding_time", "funding_rate", 50, 16, "data", "data", bounded=False)
    )  # fmt: skip
    batch, every = (Ask(f"{v1}/swap_batch_funding_rate"), 60.0) if inverse else (ask_rate, 300.0)
    return Segment(
        id, Ask(f"{v1}/swap_contract_info"), read, lambda symbol: symbol.endswith("-USD") == inverse,
        feeds=(
            Poll(Ask(f"{v1}/swap_open_interest"), 4, frozenset({"oi"}), levels, wire(Reply[Level])),
            Socket(f"{WS}/ws_index", frozenset({"mark", "index"}), prices, parse, READ, answer, batch=1, pace=0.03,
                   cadence=20, others=(f"{AWS}/ws_index",)),
            Socket(f"{WS}/{api}-notification", frozenset({"liquidations"}), deaths, parse, READ, answer,
                   per_socket=1000, batch=1, pace=0.03, cadence=None, others=(f"{AWS}/{api}-notification",)),
            Poll(batch, every, frozenset({"funding"}), rates, wire(Reply[Rate])),
            elite("top_account", "account"), elite("top_position", "position"),
        ),
        history=(History(ask_past, past, frozenset({"oi"}), 3600, 200, 8, wire(Past, "data"), bounded=False), newest),
        answers=(
            Answer(asked_deaths, wire(list[RestDeath], "data"), "/v5/market/liquidation_orders"),
            *(() if inverse else (Answer(levels, wire(Reply[Level]), "/v5/market/open_interest", ask_level),)),
        ),
        decode=wire(list[Listing], "data"),
        archives=(Archive("ticks", f"huobi-dm-{api}", CONTRACTS, (Unit.CONTRACTS, FeedClass.THROTTLED)),),
    )  # fmt: skip


VENUE = Venue(
    "htx", "HTX", "speculative", "https://www.htx.com/en-us/opend/newApiPages/", fields=(CONTRACTS, COINS),
    segments=(segment("linear", Payoff.LINEAR, "linear-swap"), segment("inverse", Payoff.INVERSE, "swap")),
    limits=Limits(weight=120, per=3), note="no traded volume: whether it counts both sides is not established; ratios "
    "are of elite accounts only; inverse contracts do not say how often they settle funding: 8 h is assumed; its dated "
    "contracts are not collected: what marks them is not established; leverage tiers are "
    "not collected: whether they are told without a key is not established; open interest is one question about all "
    "contracts of a segment: should the venue end it, linear ones are asked for one by one, and inverse ones are lost",
)  # fmt: skip
