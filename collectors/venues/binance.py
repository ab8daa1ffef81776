"""Binance futures, USD-M (linear) and COIN-M (inverse). The open interest is never pushed: one question a symbol.

Mark, index and funding are pushed, and forced closes, at most one a second a symbol: their sums are lower bounds. The
funding interval is 8 h unless `fundingInfo` lists the symbol; the frames themselves do not say it. Quarterly contracts
stand in the same catalogues and have the same streams.
"""

import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from msgspec import UNSET, Struct

from collectors.candles import Rows, marks, minutes, series, settled
from collectors.venue import (
    Acked, Answer, Archive, Ask, Gives, History, Limits, Liquidated, Message, Poll, Ratio, RatioKind, Refused, Said,
    Segment, Socket, Update, Venue,
)  # fmt: skip
from collectors.wire import Number, Stated, amount, coin, number, whole, wire
from store.records import FeedClass, Field, Instrument, Kind, Payoff, Side, Status, Unit

STREAM_UM, STREAM_CM = "wss://fstream.binance.com/market/stream", "wss://dstream.binance.com/stream"
QUARTERS, PERPETUALS = {"CURRENT_QUARTER", "NEXT_QUARTER"}, {"PERPETUAL", "TRADIFI_PERPETUAL"}
GIVEN = frozenset[Gives]({"mark", "index", "funding", "liquidations"})
COIN_M = re.compile(r"USD_(PERP|\d{6})$")  # BTCUSD_PERP, BTCUSD_261225; linear are BTCUSDT, BTCUSDT_261225
SIDES, LAST = {"SELL": Side.LONG, "BUY": Side.SHORT}, FeedClass.THROTTLED  # of the closing order; one a second
ONCE = "support said in July 2025 that a pair counts once; a tracker's figure matched within 0.1 % in September 2026"
RATIOS: dict[RatioKind, str] = {
    "account": "globalLongShortAccountRatio", "top_account": "topLongShortAccountRatio",
    "top_position": "topLongShortPositionRatio", "taker": "takerlongshortRatio",
}  # fmt: skip
FIELDS = OI_UM, PAST_UM, OI_CM, PAST_CM = tuple(
    Field(key, unit, 1, Status.DOCUMENTED, evidence=ONCE)
    for unit in (Unit.BASE, Unit.CONTRACTS) for key in ("openInterest", "sumOpenInterest")
)  # fmt: skip


class Order(Struct):
    s: str
    S: str
    z: float  # filled
    ap: float  # at this price on average
    T: int


class Event(Struct, gc=False):
    e: str
    E: int
    s: str = ""
    p: Stated = UNSET
    i: Number = None
    r: Number = None
    o: Order | None = None


class Frame(Struct, gc=False):
    data: Event | None = None
    id: int | None = None
    error: dict[str, Any] | None = None
    code: int | None = None
    msg: str = ""


class Now(Struct):
    symbol: str
    openInterest: Number
    time: int


class Past(Struct):
    sumOpenInterest: Number
    timestamp: int
    symbol: str = ""
    pair: str = ""  # of COIN-M, with the kind of contract in the place of a symbol
    contractType: str = ""


def subscribe(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    streams = [f"{i.symbol.lower()}@{name}" for i in instruments for name in ("markPrice@1s", "forceOrder")]
    yield {"method": "SUBSCRIBE", "params": streams, "id": request}


def premium(p: dict[str, Any]) -> Update:
    mark, index, rate = (number(p[key]) for key in ("markPrice", "indexPrice", "lastFundingRate"))
    return Update(p["symbol"], whole(p["time"]), None, None, mark, index, rate)


def ratios(kind: RatioKind, rows: list[dict[str, Any]]) -> list[Ratio]:
    key = "buySellRatio" if kind == "taker" else "longShortRatio"
    return [Ratio("", whole(row["timestamp"]), kind, amount(row[key])) for row in rows]


APART = {"data": (1000.0, 300.0), "funding": (500.0, 300.0)}  # `/futures/data` of USD-M; rates and intervals
DICT, DICTS, BARS = wire(dict[str, Any]), wire(list[dict[str, Any]]), wire(Rows)
INTERVALS = Poll(
    Ask("https://fapi.binance.com/fapi/v1/fundingInfo", budget="funding"), 900, frozenset({"funding"}),
    lambda rows: [Update(r["symbol"], funding_interval_h=amount(r["fundingIntervalHours"])) for r in rows], DICTS,
)  # fmt: skip


def segment(id: str, payoff: Payoff, api: str, stream: str, now: Field, then: Field, *tapes: Archive) -> Segment:
    host, rest, linear = f"https://{api}.binance.com", f"https://{api}.binance.com/{api}/v1", payoff is Payoff.LINEAR
    dated, kinds = (True, QUARTERS) if id.endswith("-dated") else (False, PERPETUALS)

    def owns(symbol: str) -> bool:
        return (COIN_M.search(symbol) is None) == linear and symbol[-6:].isdigit() == dated

    def read(rows: Sequence[dict[str, Any]]) -> Iterable[Instrument]:
        for row in (row for row in rows if row["contractType"] in kinds):
            asset, factor = coin(row["baseAsset"])
            yield Instrument(
                "binance", id, row["symbol"], asset, row["quoteAsset"], row["marginAsset"], payoff=payoff,
                contract_size=1.0 if linear else amount(row["contractSize"]),  # USD; there is none where coins count
                base_factor=factor, live=row["status" if linear else "contractStatus"] == "TRADING",
                funding_interval_h=None if dated else 8.0, valid_from=whole(row["onboardDate"]),  # or `fundingInfo`
                kind=Kind.DATED if dated else Kind.PERPETUAL, expiry=whole(row["deliveryDate"]) if dated else 0,
            )  # fmt: skip

    def tell(event: Event) -> Sequence[Said]:
        if event.e == "markPriceUpdate":
            rate = None if dated else number(event.r)
            return (Update(event.s, event.E, None, None, number(event.p), number(event.i), rate),)
        died = event.o
        if died is None or not owns(died.s):  # some streams carry both segments since their merge
            return ()
        return (Liquidated(died.s, died.T, SIDES[died.S], died.z, now.unit, died.ap, FeedClass.THROTTLED),)

    def parse(frame: Frame) -> Sequence[Said]:
        if frame.data is not None:
            return tell(frame.data)
        fault = {"code": frame.code, "msg": frame.msg} if frame.error is None else frame.error
        if fault["code"] is not None:
            return (Refused(f"{fault['code']}: {fault['msg']}", frame.id),)
        return () if frame.id is None else (Acked(frame.id),)

    def past(rows: list[Past]) -> Sequence[Said]:
        named = ((p, p.symbol or f"{p.pair}_{p.contractType.removesuffix('ETUAL')}") for p in rows)
        return [Update(symbol, p.timestamp, number(p.sumOpenInterest), then) for p, symbol in named]

    def data(name: str, i: Instrument, start: int, end: int) -> Ask:  # of COIN-M it counts in the weight
        whom = f"symbol={i.symbol}" if linear else f"pair={i.symbol[:-5]}&contractType=PERPETUAL"
        span = f"period=5m&limit=500&startTime={start}&endTime={end}"
        return Ask(f"{host}/futures/data/{name}?{whom}&{span}", budget="data" if linear else "")

    def candles(name: str, step: int, i: Instrument, start: int, end: int) -> Ask:
        limit = min((end - start) // (step * 60_000) + 1, 1000)
        span = f"interval={step}m&limit={limit}&startTime={start}&endTime={end}"
        return Ask(f"{rest}/{name}?symbol={i.symbol}&{span}", weight=1 if limit < 100 else 5)

    def paid(i: Instrument, start: int, end: int) -> Ask:  # of COIN-M no limit is stated: as if the same
        return Ask(f"{rest}/fundingRate?symbol={i.symbol}&limit=1000&startTime={start}&endTime={end}", budget="funding")

    coins = minutes(Unit.BASE, 5, 9) if linear else minutes(Unit.BASE, 7, 10)  # of contracts, in another place
    volume = series("volume", partial(candles, "klines", 1), coins, BARS, 60, 1000, 3650)
    crowds = [
        series("ratios", partial(data, name), partial(ratios, kind), DICTS, 300, 500, 29)
        for kind, name in RATIOS.items() if not dated and (linear or kind != "taker")
    ]  # fmt: skip
    return Segment(
        id, Ask(f"{rest}/exchangeInfo"), read, owns, decode=wire(list[dict[str, Any]], "symbols"),
        feeds=(
            Poll(lambda i: Ask(f"{rest}/openInterest?symbol={i.symbol}"), 5, frozenset({"oi"}),
                 lambda row: [Update(row.symbol, row.time, number(row.openInterest), now)], wire(Now)),
            Socket(
                stream, GIVEN - {"funding"} if dated else GIVEN, subscribe, parse, wire(Frame),
                per_socket=100, pace=0.2, life=86_400,  # 200 streams a connection, 10 messages a second
            ),
            *((INTERVALS,) if linear and not dated else ()), volume[0], *(poll for poll, _ in crowds),
        ),
        history=(volume[1],) if dated and not linear else (  # which are asked for by quarter: it changes whom it means
            History(partial(data, "openInterestHist"), past, frozenset({"oi"}), 300, 500, 29, wire(list[Past])),
            History(partial(candles, "markPriceKlines", 5), marks(300), frozenset({"mark"}), 300, 1000, 3650, BARS),
            volume[1], *(then for _, then in crowds),
            *(() if dated else (settled(paid, "fundingTime", "fundingRate", 1000, 3650),)),
        ),
        answers=(
            Answer(lambda p: past([p]), wire(Past), "/openInterestHist"),
            Answer(lambda p: [premium(p)], DICT, "/premiumIndex"),
            Answer(lambda rows: list(map(premium, rows)), DICTS, "/premiumIndex"),
            Answer(tell, wire(Event)),  # a stream by its own address has no envelope
            Answer(lambda events: [said for e in events for said in tell(e)], wire(list[Event])),
        ), archives=tapes, lists=Kind.DATED if dated else None,
    )  # fmt: skip


VENUE = Venue(
    "binance", "Binance", "mixed",
    "https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams", fields=FIELDS,
    segments=(  # what the archive of statistics counts is not established for coin-margined contracts
        segment("linear", Payoff.LINEAR, "fapi", STREAM_UM, OI_UM, PAST_UM,
                Archive("metrics", field=PAST_UM), Archive("ticks", "binance-futures", OI_UM, (Unit.BASE, LAST))),
        segment("inverse", Payoff.INVERSE, "dapi", STREAM_CM, OI_CM, PAST_CM,
                Archive("ticks", "binance-delivery", OI_CM, (Unit.CONTRACTS, LAST))),
        segment("linear-dated", Payoff.LINEAR, "fapi", STREAM_UM, OI_UM, PAST_UM),
        segment("inverse-dated", Payoff.INVERSE, "dapi", STREAM_CM, OI_CM, PAST_CM),
    ), limits=Limits(weight=1800, per=60, dials=250, dials_per=300, used_header="X-MBX-USED-WEIGHT-1M", others=APART),
)  # fmt: skip
