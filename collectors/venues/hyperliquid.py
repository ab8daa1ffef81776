"""Hyperliquid perpetuals of the main dex. One frame states all coins by their place in the universe, with neither name
nor time. Builder dexes (`dex:COIN`) are other books and left out. There is no public liquidation feed.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import zip_longest
from typing import Any

from msgspec import Struct

from collectors.minutes import Running
from collectors.public import Dealt, Held, Positions
from collectors.venue import (
    Acked, Answer, Archive, Ask, CatalogueError, Heartbeat, History, Limits, Message, Parse, Poll, Refused, Remembering,
    Said, Segment, Socket, Tier, Traded, Update, Venue,
)  # fmt: skip
from collectors.wire import Number, among, amount, coin, number, whole, wire
from store.records import Field, Instrument, Side, Unit

INFO, SOCKET = "https://api.hyperliquid.xyz/info", "wss://api.hyperliquid.xyz/ws"
PING = Heartbeat({"method": "ping"}, every=30)
MAIN = ""  # the name of the main dex
NOW = Ask(INFO, "POST", {"type": "metaAndAssetCtxs"}, weight=20)
META = Ask(INFO, "POST", {"type": "meta", "dex": MAIN}, weight=20)
TOP = 10  # coins of a subscription that get a context of their own beside the frames of all
OI = Field("openInterest", Unit.BASE, 2, evidence="press and the caps' definition count both sides, a rival counts one")


class Listing(Struct, rename="camel"):
    name: str
    max_leverage: float
    is_delisted: bool = False
    margin_table_id: int | None = None  # below 50 it is itself the leverage of the only step


class Meta(Struct, rename="camel"):
    universe: list[Listing]
    margin_tables: list[tuple[int, dict[str, Any]]] = []


class Candle(Struct):
    t: int  # start
    s: str
    c: float
    v: float  # coins


class Candles(Struct, tag_field="channel", tag="candle"):
    data: Candle


class Context(Struct, rename="camel", gc=False):
    open_interest: Number
    mark_px: Number
    oracle_px: Number
    funding: Number  # fraction an hour


class Named(Struct):
    coin: str
    ctx: Context


class One(Struct, tag_field="channel", tag="activeAssetCtx"):
    data: Named


class Every(Struct, tag_field="channel", tag="allDexsAssetCtxs"):
    data: dict[str, list[tuple[str, list[Context]]]]  # by dex


class Response(Struct, tag_field="channel", tag="subscriptionResponse"):
    data: dict[str, Any]


class Trouble(Struct, tag_field="channel", tag="error"):
    data: str


class Trade(Struct):
    coin: str
    px: float
    sz: float
    users: tuple[str, str]  # buyer and seller


class Trades(Struct, tag_field="channel", tag="trades"):
    data: list[Trade]


class Pong(Struct, tag_field="channel", tag="pong"): ...


Frame = One | Every | Response | Trouble | Trades | Candles | Pong
CHANNELS = {"activeAssetCtx", "allDexsAssetCtxs", "subscriptionResponse", "error", "trades", "candle", "pong"}
decode = among(wire(Frame), CHANNELS.__contains__, "channel", greeting="Websocket connection established.")


def read(meta: Meta) -> Iterable[Instrument]:
    for row in meta.universe:
        asset, factor = coin(row.name)
        yield Instrument(
            "hyperliquid", "linear", row.name, asset, "USD", "USDC", base_factor=factor, live=not row.is_delisted,
            max_leverage=row.max_leverage, funding_interval_h=1.0,
        )  # fmt: skip


def of_each(instruments: Sequence[Instrument], **what: str) -> Iterable[Message]:
    return [{"method": "subscribe", "subscription": {**what, "coin": i.symbol}} for i in instruments]


def subscribe(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    yield {"method": "subscribe", "subscription": {"type": "allDexsAssetCtxs"}}
    yield from of_each(instruments[:TOP], type="activeAssetCtx")


def ask_minutes(i: Instrument, start: int, end: int) -> Ask:  # 20, and one more for each 60 candles
    of = {"coin": i.symbol, "interval": "1m", "startTime": start, "endTime": end}
    return Ask(INFO, "POST", {"type": "candleSnapshot", "req": of}, weight=104)


def ask_paid(i: Instrument, start: int, end: int) -> Ask:  # 20, and one more for each 20 rows
    of = {"type": "fundingHistory", "coin": i.symbol, "startTime": start, "endTime": end}
    return Ask(INFO, "POST", of, weight=44)


def traded(c: Candle) -> Traded:
    return Traded(c.s, c.t, c.v, Unit.BASE, price=c.c)


def tiers(meta: Meta) -> Iterable[Said]:
    """Half the margin of the highest leverage is to be kept; deductions make it continuous from step to step."""
    tables = {id: [(amount(s["lowerBound"]), amount(s["maxLeverage"])) for s in table["marginTiers"]]
              for id, table in meta.margin_tables}  # fmt: skip
    for row in meta.universe:
        id, kept, less = row.margin_table_id or 0, 0.0, 0.0
        steps = tables.get(id, [(0.0, float(id))] if 0 < id < 50 else [])
        for n, ((lower, most), upper) in enumerate(zip_longest(steps, [lower for lower, _ in steps[1:]]), 1):
            less, kept = less + lower * (0.5 / most - kept), 0.5 / most
            yield Tier(row.name, n, lower, upper, Unit.USD, kept, most, less)


def update(symbol: str, ctx: Context) -> Update:
    mark, index = number(ctx.mark_px), number(ctx.oracle_px)
    return Update(symbol, None, number(ctx.open_interest), OI, mark, index, number(ctx.funding), 1.0)


def make(instruments: Sequence[Instrument], wanted: Collection[str] | None = None) -> Parse:
    """The n-th context is of the n-th coin of the universe: delisted coins keep their place, new ones are appended."""
    asked = [(n, i.symbol) for n, i in enumerate(instruments) if (i.live if wanted is None else i.symbol in wanted)]
    running = Running()

    def parse(frame: Frame | None) -> Sequence[Said]:
        if isinstance(frame, One):
            return (update(frame.data.coin, frame.data.ctx),)
        if isinstance(frame, Every):
            rows = next((contexts for dex, contexts in frame.data["ctxs"] if dex == MAIN), ())
            if len(rows) != len(instruments):
                raise CatalogueError(f"{len(rows)} contexts for a universe of {len(instruments)}")
            return [update(symbol, rows[n]) for n, symbol in asked]
        if isinstance(frame, Candles):
            return running.push(traded(frame.data))
        if isinstance(frame, Response) and frame.data["method"] == "subscribe":
            named = frame.data["subscription"].get("coin")
            return [Acked(symbol=symbol) for _, symbol in asked] if named is None else (Acked(symbol=named),)
        if isinstance(frame, Trouble) and "Already subscribed" not in frame.data:  # the stream goes on
            return (Refused(frame.data),)
        return ()

    return parse


def snapshot(reply: tuple[Meta, list[Context]]) -> Sequence[Said]:
    return [update(listed.name, ctx) for listed, ctx in zip(reply[0].universe, reply[1], strict=True)]


def paid(rows: list[dict[str, Any]]) -> Sequence[Said]:
    said = ((p["coin"], whole(p["time"]), amount(p["fundingRate"])) for p in rows)
    return [Update(symbol, ts, funding=rate, funding_interval_h=1.0) for symbol, ts, rate in said]


def learn(frame: Frame | None) -> Sequence[Dealt]:
    rows = frame.data if isinstance(frame, Trades) else ()
    return [Dealt(user, t.coin, t.sz, t.px) for t in rows for user in t.users]


def account(holder: str) -> Ask:
    return Ask(INFO, "POST", {"type": "clearinghouseState", "user": holder, "dex": MAIN}, weight=2)


def held(rows: list[dict[str, Any]]) -> Iterable[Held]:
    for p in (row["position"] for row in rows):
        if size := amount(p["szi"]):
            side, price, leverage = Side.LONG if size > 0 else Side.SHORT, p["liquidationPx"], p["leverage"]["value"]
            yield Held(p["coin"], side, abs(size), Unit.BASE, number(p["entryPx"]), number(price), amount(leverage))


VENUE = Venue(
    "hyperliquid", "Hyperliquid", "speculative",
    "https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket", fields=(OI,),
    segments=(Segment(
        "linear", META, read, str.isalnum,  # neither `dex:COIN`, `@107`, `#250` nor `PURR/USDC`
        feeds=(
            Socket(SOCKET, frozenset({"oi", "mark", "index", "funding"}), subscribe, Remembering(make), decode,
                   heartbeat=PING, per_socket=900, batch=900),
            Socket(SOCKET, frozenset({"volume"}), lambda them, _: of_each(them, type="candle", interval="1m"),
                   Remembering(make), decode, heartbeat=PING, per_socket=900, batch=900, cadence=None),
            Poll(META, 86_400, frozenset({"tiers"}), tiers, wire(Meta)),
        ),
        history=(
            History(ask_minutes, lambda rows: list(map(traded, rows)), frozenset({"volume"}), 60, 5000, 3.4,
                    wire(list[Candle])),  # the newest 5,000 candles
            History(ask_paid, paid, frozenset({"funding"}), 3600, 480, 1000, wire(list[dict[str, Any]])),  # ms late
        ),
        answers=(
            Answer(snapshot, wire(tuple[Meta, list[Context]]), "/info", NOW), Answer(paid, wire(list[Any]), "/info"),
        ),
        decode=wire(Meta), archives=(Archive("ticks", "hyperliquid", OI, lacks="forced closes"),),
        positions=Positions(SOCKET, lambda them: of_each(them, type="trades"), learn, account, held, decode,
                            wire(list[dict[str, Any]], "assetPositions"), PING),
    ),),
    limits=Limits(weight=1200, per=60, dials=30, dials_per=60),
    note="whether its open interest counts one side or both is disputed",
)  # fmt: skip
