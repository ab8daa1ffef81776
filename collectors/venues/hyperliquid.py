"""Hyperliquid perpetuals of the main dex. One frame states all coins by their place in the universe, with neither name
nor time. Builder dexes (`dex:COIN`) are other books and left out. There is no public liquidation feed.
"""

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct

from collectors.public import Dealt, Held, Positions
from collectors.venue import (
    Acked, Answer, Ask, CatalogueError, Heartbeat, Limits, Message, Parse, Refused, Remembering, Said, Segment,
    Socket, Update, Venue,
)  # fmt: skip
from collectors.wire import Number, among, coin, number, wire
from store.records import Field, Instrument, Side, Unit

INFO = "https://api.hyperliquid.xyz/info"
SOCKET = "wss://api.hyperliquid.xyz/ws"
PING = Heartbeat({"method": "ping"}, every=30)
MAIN = ""  # the name of the main dex
TOP = 10  # coins of a subscription that get a context of their own beside the frames of all
OI = Field("openInterest", Unit.BASE, 2, evidence="press and the caps' definition count both sides, a rival counts one")


class Listing(Struct, rename="camel"):
    name: str
    max_leverage: float
    is_delisted: bool = False


class Meta(Struct):
    universe: list[Listing]


class Context(Struct, rename="camel", gc=False):
    open_interest: Number
    mark_px: Number
    oracle_px: Number
    funding: Number  # fraction an hour


class Named(Struct):
    coin: str
    ctx: Context


class Dexes(Struct):
    ctxs: list[tuple[str, list[Context]]]  # by dex


class Subscription(Struct):
    type: str
    coin: str | None = None


class Echo(Struct):
    method: str
    subscription: Subscription


class One(Struct, tag_field="channel", tag="activeAssetCtx"):
    data: Named


class Every(Struct, tag_field="channel", tag="allDexsAssetCtxs"):
    data: Dexes


class Response(Struct, tag_field="channel", tag="subscriptionResponse"):
    data: Echo


class Trouble(Struct, tag_field="channel", tag="error"):
    data: str


class Paid(Struct, rename="camel"):
    coin: str
    funding_rate: float
    time: int


class Trade(Struct):
    coin: str
    px: float
    sz: float
    users: tuple[str, str]  # buyer and seller


class Trades(Struct, tag_field="channel", tag="trades"):
    data: list[Trade]


class Leverage(Struct):
    value: float


class Open(Struct, rename="camel"):
    coin: str
    szi: float  # below zero: short
    entry_px: Number
    liquidation_px: Number
    leverage: Leverage


class Row(Struct):
    position: Open


class Account(Struct, rename="camel"):
    asset_positions: list[Row]


Frame = One | Every | Response | Trouble | Trades
CHANNELS = {"activeAssetCtx", "allDexsAssetCtxs", "subscriptionResponse", "error", "trades"}
decode = among(wire(Frame), CHANNELS.__contains__, "channel", greeting="Websocket connection established.")


def read(meta: Meta) -> Iterable[Instrument]:
    for row in meta.universe:
        asset, factor = coin(row.name)
        yield Instrument(
            "hyperliquid", "linear", row.name, asset, "USD", "USDC", base_factor=factor, live=not row.is_delisted,
            max_leverage=row.max_leverage, funding_interval_h=1.0,
        )  # fmt: skip


def subscribe(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    yield {"method": "subscribe", "subscription": {"type": "allDexsAssetCtxs"}}
    for i in instruments[:TOP]:
        yield {"method": "subscribe", "subscription": {"type": "activeAssetCtx", "coin": i.symbol}}


def update(symbol: str, ctx: Context) -> Update:
    mark, index = number(ctx.mark_px), number(ctx.oracle_px)
    return Update(symbol, None, number(ctx.open_interest), OI, mark, index, number(ctx.funding), 1.0)


def make(instruments: Sequence[Instrument], wanted: Collection[str] | None = None) -> Parse:
    """The n-th context is of the n-th coin of the universe: delisted coins keep their place, new ones are appended."""
    asked = [(n, i.symbol) for n, i in enumerate(instruments) if (i.live if wanted is None else i.symbol in wanted)]

    def parse(frame: Frame | None) -> Sequence[Said]:
        if isinstance(frame, One):
            return (update(frame.data.coin, frame.data.ctx),)
        if isinstance(frame, Every):
            rows = next((contexts for dex, contexts in frame.data.ctxs if dex == MAIN), ())
            if len(rows) != len(instruments):
                raise CatalogueError(f"{len(rows)} contexts for a universe of {len(instruments)}")
            return [update(symbol, rows[n]) for n, symbol in asked]
        if isinstance(frame, Response) and frame.data.method == "subscribe":
            named = frame.data.subscription.coin
            return [Acked(symbol=symbol) for _, symbol in asked] if named is None else (Acked(symbol=named),)
        if isinstance(frame, Trouble) and "Already subscribed" not in frame.data:  # the stream goes on
            return (Refused(frame.data),)
        return ()

    return parse


def snapshot(reply: tuple[Meta, list[Context]]) -> Sequence[Said]:
    return [update(listed.name, ctx) for listed, ctx in zip(reply[0].universe, reply[1], strict=True)]


def paid(rows: list[Paid]) -> Sequence[Said]:
    return [Update(p.coin, p.time, funding=p.funding_rate, funding_interval_h=1.0) for p in rows]


def trades(instruments: Sequence[Instrument]) -> Iterable[Message]:
    return [{"method": "subscribe", "subscription": {"type": "trades", "coin": i.symbol}} for i in instruments]


def learn(frame: Frame | None) -> Sequence[Dealt]:
    rows = frame.data if isinstance(frame, Trades) else ()
    return [Dealt(user, t.coin, t.sz, t.px) for t in rows for user in t.users]


def account(holder: str) -> Ask:
    return Ask(INFO, "POST", {"type": "clearinghouseState", "user": holder, "dex": MAIN}, weight=2)


def held(reply: Account) -> Iterable[Held]:
    for p in (row.position for row in reply.asset_positions if row.position.szi):
        side, price = Side.LONG if p.szi > 0 else Side.SHORT, number(p.liquidation_px)
        yield Held(p.coin, side, abs(p.szi), Unit.BASE, number(p.entry_px), price, p.leverage.value)


VENUE = Venue(
    id="hyperliquid",
    name="Hyperliquid",
    cls="speculative",
    docs="https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket",
    fields=(OI,),
    segments=(
        Segment(
            id="linear",
            catalogue=Ask(INFO, "POST", {"type": "meta", "dex": MAIN}, weight=20),
            read=read,
            owns=str.isalnum,  # neither `dex:COIN`, `@107`, `#250` nor `PURR/USDC`
            feeds=(
                Socket(
                    SOCKET, frozenset({"oi", "mark", "index", "funding"}), subscribe, Remembering(make), decode,
                    heartbeat=PING, per_socket=900, batch=900,
                ),
            ),
            answers=(
                Answer(snapshot, wire(tuple[Meta, list[Context]]), "/info"),
                Answer(paid, wire(list[Paid]), "/info"),
            ),
            decode=wire(Meta),
            positions=Positions(SOCKET, trades, learn, account, held, decode, wire(Account), PING),
        ),
    ),
    limits=Limits(weight=1200, per=60, dials=30, dials_per=60),
    note="whether its open interest counts one side or both is disputed",
)  # fmt: skip
