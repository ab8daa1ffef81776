"""edgeX perpetuals, V2, live since May 2026. One frame a second states every contract, without a time of its own.

Contracts have a number beside their name: questions take the number. A `changed` row is whole, an absent one unchanged.
The venue pings in JSON. There is no public feed of forced closes; its long/short ratio is of other venues, left out.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise

from msgspec import Struct

from collectors.candles import settled
from collectors.minutes import listed
from collectors.venue import (
    Acked, Answer, Ask, History, Lately, Limits, Message, Parse, Poll, Refused, Remembering, Said, Segment, Socket,
    Tier, Traded, Update, Venue, unasked,
)  # fmt: skip
from collectors.wire import Number, among, coin, number, wire
from store.records import Field, Instrument, Unit

REST = "https://edgex-prod-v2.edgex.exchange/api/v2/public"
ALL = "ticker.all.1s"
OI = Field(
    "openInterest", Unit.BASE, 1, since="2026-05-12",
    evidence="not stated; its size beside the turnover is that of one-sided peers",
)  # fmt: skip


class Ticker(Struct, gc=False, rename="camel"):
    contract_name: str
    open_interest: Number
    mark_price: Number
    index_price: Number
    funding_rate: Number


class Content(Struct, gc=False):
    data: list[Ticker] | None = None
    code: str = ""
    msg: str = ""


class Frame(Struct, gc=False):
    type: str = ""
    channel: str = ""
    content: Content | None = None
    time: str = ""


class Kline(Struct, rename="camel"):
    contract_name: str
    kline_time: int  # start, ms
    size: float
    maker_buy_size: float  # in which the maker bought, and so the taker sold


class Coin(Struct, rename="camel"):
    coin_id: str
    coin_name: str


class Risk(Struct, rename="camel"):
    tier: int
    position_value_upper_bound: float
    max_leverage: float
    maintenance_margin_rate: float


class Contract(Struct, rename="camel"):
    contract_id: str
    contract_name: str
    base_coin_id: str
    quote_coin_id: str
    enable_trade: bool
    risk_tier_list: list[Risk]
    funding_rate_interval_min: float


class Meta(Struct, rename="camel"):
    coin_list: list[Coin]
    contract_list: list[Contract]


def metas(reply: Meta | list[Meta]) -> Iterable[Meta]:
    return reply if isinstance(reply, list) else (reply,)  # it was a list of one for a while


def read(reply: Meta | list[Meta]) -> Iterable[Instrument]:
    for meta in metas(reply):
        names = {c.coin_id: c.coin_name for c in meta.coin_list}
        for row in meta.contract_list:
            asset, factor = coin(names[row.base_coin_id])
            quote = names[row.quote_coin_id]
            yield Instrument(
                "edgex", "linear", row.contract_name, asset, quote, quote, base_factor=factor, live=row.enable_trade,
                max_leverage=max((risk.max_leverage for risk in row.risk_tier_list), default=None),
                funding_interval_h=row.funding_rate_interval_min / 60, code=row.contract_id,
            )  # fmt: skip


def ladder(row: Contract) -> Iterator[Tier]:
    """Steps in dollars. The highest has no upper bound: the venue writes 79228162514264337593543."""
    steps = sorted(row.risk_tier_list, key=lambda risk: risk.tier)
    bounds = [0.0, *(risk.position_value_upper_bound for risk in steps[:-1]), None]
    for risk, (lower, upper) in zip(steps, pairwise(bounds), strict=True):
        assert lower is not None
        rate, most = risk.maintenance_margin_rate, risk.max_leverage
        yield Tier(row.contract_name, risk.tier, lower, upper, Unit.USD, rate, most)


def tiers(reply: Meta | list[Meta]) -> Sequence[Said]:
    return [tier for meta in metas(reply) for row in meta.contract_list for tier in ladder(row)]


def subscribe(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    yield {"type": "subscribe", "channel": ALL}


def answer(frame: Frame | None) -> Message | None:
    return {"type": "pong", "time": frame.time} if frame is not None and frame.type == "ping" else None


def update(t: Ticker) -> Update:
    oi, mark, index = number(t.open_interest), number(t.mark_price), number(t.index_price)
    return Update(t.contract_name, None, oi, OI, mark, index, number(t.funding_rate))


def make(instruments: Sequence[Instrument], wanted: Collection[str] | None = None) -> Parse:
    others = unasked(instruments, wanted)

    def parse(frame: Frame | None) -> Sequence[Said]:
        if frame is None or frame.content is None:
            return (Acked(),) if frame is not None and frame.type == "subscribed" else ()
        if frame.type == "error":
            return (Refused(f"{frame.content.code}: {frame.content.msg}"),)
        return [update(t) for t in frame.content.data or () if t.contract_name not in others]

    return parse


def minutes(rows: list[Kline]) -> list[Traded]:
    return [Traded(k.contract_name, k.kline_time, k.size, Unit.BASE, k.size - k.maker_buy_size) for k in rows]


def past(i: Instrument, start: int, end: int) -> Ask:
    whose = f"contractId={i.code}&priceType=LAST_PRICE&klineType=MINUTE_1&size=1000"
    span = f"filterBeginKlineTimeInclusive={start}&filterEndKlineTimeExclusive={end + 1}"
    return Ask(f"{REST}/quote/getKline?{whose}&{span}")


KLINES = wire(list[Kline], "data", "dataList")
FEEDS = (
    Socket(
        "wss://edgex-quote-prod-v2.edgex.exchange/api/v1/public/ws", frozenset({"oi", "mark", "index", "funding"}),
        subscribe, Remembering(make), among(wire(Frame), lambda channel: channel.startswith("ticker."), "channel"),
        answer, per_socket=1000, batch=1000, cadence=30, line=5,  # who is absent from a frame has not changed
    ),
    Poll(Lately(past, 300), 60, frozenset({"volume"}), lambda rows: listed(minutes(rows)), KLINES),
    Poll(Ask(f"{REST}/meta/getMetaData"), 86_400, frozenset({"tiers"}), tiers, wire(Meta | list[Meta], "data")),
)  # fmt: skip


def paid(i: Instrument, start: int, end: int) -> Ask:  # without the filter, a row a minute
    span = f"filterSettlementFundingRate=true&filterBeginTimeInclusive={start}&filterEndTimeExclusive={end + 1}"
    return Ask(f"{REST}/funding/getFundingRatePage?contractId={i.code}&size=100&{span}")


VENUE = Venue(
    "edgex", "edgeX", "speculative", "https://edgex-1.gitbook.io/edgeX-documentation/api-v2", fields=(OI,),
    segments=(
        Segment(
            "linear", Ask(f"{REST}/meta/getMetaData"), read, str.isalnum, FEEDS, decode=wire(Meta | list[Meta], "data"),
            history=(  # how far back it goes is not documented: we ask for 30 days
                History(past, minutes, frozenset({"volume"}), 60, 1000, 30, KLINES),
                settled(paid, "fundingTime", "fundingRate", 100, 30, "data", "dataList",
                        every=("fundingRateIntervalMin", 1 / 60)),
            ),
            answers=(
                Answer(lambda rows: list(map(update, rows)), wire(list[Ticker], "data"), "/getTicker",
                       lambda i: Ask(f"{REST}/quote/getTicker?contractId={i.code}")),
            ),
        ),
    ),
    limits=Limits(weight=5, per=1),  # not documented: we are modest
    note="whether its open interest counts one side or both is not established",
)  # fmt: skip
