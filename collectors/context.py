"""What others say: market caps and supplies as context, and an independent aggregate as an alarm.

All of it is off unless chosen, none is ever mixed into our own numbers, and each value keeps its source and its time.

Reply shapes are from the sources' documents and clients' recorded replies; none was checked against a live answer.
"""

import json
import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

import anyio
import msgspec

from collectors.connection import UNREADABLE
from collectors.http import BlockedError, FailedError, Http, LimitedError, Sink, utc_ms
from collectors.venue import Ask, Limits, Venue
from collectors.wire import Number, number
from store.records import Event, Kind, OpenInterest

log = logging.getLogger(__name__)

CONTEXT, DISAGREES = "context", "aggregate_disagrees"
NEAR = 0.10  # aggregates lag and round
ASSETS = 2  # one asset may disagree for its own reasons
AGAIN_S = 600.0  # after a failure
NOISE = re.compile(r"\(.*?\)|\.(io|com)\b|\b(futures|derivatives|exchange|perpetuals?|swap)\b|[^a-z0-9]")


@dataclass(frozen=True, slots=True)
class Fact:
    """One value from outside."""

    asset: str
    metric: str  # market_cap | realised_cap | mvrv | supply
    unit: str  # usd | ratio | coins
    value: float
    at: int  # what it is about, ms UTC
    source: str


@dataclass(frozen=True, slots=True)
class Source:
    """Someone we may ask. `read` gives the facts in a reply."""

    of: Venue  # whose budget and patience it has; it lists nothing
    every: float  # seconds
    asks: Callable[[Sequence[str]], Iterable[Ask]]
    read: Callable[[bytes], Iterable[Fact]]


def asked(id: str, name: str, docs: str, limits: Limits) -> Venue:
    return Venue(id, name, "none", docs, (), (), limits)


NETWORK = "https://community-api.coinmetrics.io/v4/timeseries/asset-metrics"
NETWORK_METRICS = MappingProxyType(
    {"CapMrktCurUSD": ("market_cap", "usd"), "CapMVRVCur": ("mvrv", "ratio"), "SplyCur": ("supply", "coins")}
)
"""Those that are free. The realised cap is not (one paid metric has the question refused), so it is cap / MVRV."""


class Network(msgspec.Struct):
    data: list[dict[str, str | None]]


def network_asks(assets: Sequence[str]) -> Iterable[Ask]:
    """A question an asset: one that is not carried has its question refused."""
    for asset in assets:
        metrics = ",".join(NETWORK_METRICS)
        yield Ask(f"{NETWORK}?assets={asset.lower()}&metrics={metrics}&frequency=1d&page_size=10&paging_from=end")


def network_facts(reply: bytes) -> list[Fact]:
    """The newest value of each metric; of market cap and MVRV of one day the realised cap."""
    found: dict[tuple[str, str], Fact] = {}
    for row in msgspec.json.decode(reply, type=Network).data:
        asset, day = row["asset"], row["time"]
        if asset is None or day is None:
            raise ValueError("a row without its asset or time")
        at = moment(day)
        for key, (metric, unit) in NETWORK_METRICS.items():
            value = positive(row.get(key))
            before = found.get((asset, metric))
            if value is not None and (before is None or at >= before.at):
                found[asset, metric] = Fact(asset.upper(), metric, unit, value, at, "coinmetrics")
    for (asset, metric), cap in list(found.items()):
        mvrv = found.get((asset, "mvrv"))
        if metric == "market_cap" and mvrv is not None and mvrv.at == cap.at:
            realised = cap.value / mvrv.value
            found[asset, "realised_cap"] = Fact(cap.asset, "realised_cap", "usd", realised, cap.at, cap.source)
    return list(found.values())


class Coin(msgspec.Struct):
    symbol: str
    last_updated: str | None = None
    market_cap: float | None = None
    circulating_supply: float | None = None


def market_asks(_: Sequence[str]) -> Iterable[Ask]:
    yield Ask(
        "https://api.coingecko.com/api/v3/coins/markets?vs_currency=usd&order=market_cap_desc&per_page=250&page=1"
    )


def market_facts(reply: bytes) -> list[Fact]:
    """Of coins that share a symbol the largest, which is listed first."""
    found: dict[tuple[str, str], Fact] = {}
    for coin in msgspec.json.decode(reply, type=list[Coin]):
        if coin.last_updated is None:
            continue
        at, asset = moment(coin.last_updated), coin.symbol.upper()
        said = (("market_cap", "usd", coin.market_cap), ("supply", "coins", coin.circulating_supply))
        for metric, unit, amount in said:
            value = positive(amount)
            if value is not None:
                found.setdefault((asset, metric), Fact(asset, metric, unit, value, at, "coingecko"))
    return list(found.values())


GECKO = asked("coingecko", "CoinGecko", "https://docs.coingecko.com", Limits(weight=5, per=60))
SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "coinmetrics": Source(
            asked("coinmetrics", "Coin Metrics community", "https://docs.coinmetrics.io", Limits(weight=5, per=6)),
            6 * 3600.0, network_asks, network_facts,
        ),
        "coingecko": Source(GECKO, 3600.0, market_asks, market_facts),
    }
)  # fmt: skip
AGGREGATE = "coingecko_derivatives"
NAMES = (*SOURCES, AGGREGATE)
"""What `[context] sources` may name."""


class Contract(msgspec.Struct):
    """A row of the aggregate; `open_interest` in USD."""

    market: str
    index_id: str
    contract_type: str
    open_interest: Number = None


def aggregate(reply: bytes, venues: Mapping[str, str]) -> dict[tuple[str, str], float]:
    """USD by (venue, asset) of perpetuals; `venues`: id to name. What is not stated whole is left out."""
    known = {plain_name(word): id for id, name in venues.items() for word in (id, name)}
    sums: dict[tuple[str, str], float] = {}
    for row in msgspec.json.decode(reply, type=list[Contract], strict=False):
        venue = known.get(plain_name(row.market))
        if venue is not None and row.contract_type == "perpetual":
            usd, key = number(row.open_interest), (venue, row.index_id.upper())
            sums[key] = sums.get(key, 0.0) + (math.nan if usd is None else usd)
    return {key: usd for key, usd in sums.items() if 0 < usd < math.inf}


def plain_name(name: str) -> str:
    return NOISE.sub("", name.lower())


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A venue whose numbers are off by the same tell-tale factor in all assets that can be compared."""

    venue: str
    factor: float  # what the ratios are near: 2, 1/2, or a power of ten
    ratio: float  # the aggregate's over ours, median
    assets: int


def disagreements(theirs: Mapping[tuple[str, str], float], ours: Mapping[tuple[str, str], float]) -> list[Disagreement]:
    """2 or 1/2 throughout is another count of sides, a power of ten another contract size."""
    found: list[Disagreement] = []
    for venue in sorted({venue for venue, _ in theirs}):
        ratios = sorted(usd / ours[key] for key, usd in theirs.items() if key[0] == venue and ours.get(key, 0.0) > 0)
        if len(ratios) < ASSETS:
            continue
        middle = ratios[len(ratios) // 2]
        for factor in (2.0, 0.5, 10.0 ** round(math.log10(middle))):
            if factor != 1.0 and all(abs(ratio / factor - 1) <= NEAR for ratio in ratios):
                found.append(Disagreement(venue, factor, middle, len(ratios)))
                break
    return found


class Context:
    """Owns what was told last, so that the same value is not noted twice."""

    def __init__(
        self,
        sources: Sequence[str],
        assets: Sequence[str],
        venues: Mapping[str, str],
        http: Http,
        sink: Sink,
        current: Callable[[], Sequence[OpenInterest]],
        *,
        now: Callable[[], int] = utc_ms,
    ) -> None:
        self.sources = sources
        self.assets = assets
        self.venues = venues  # id to name
        self.http = http
        self.sink = sink
        self.current = current
        self.now = now
        self.told: set[tuple[str, str, str, int]] = set()

    async def keep(self) -> None:
        """For ever; at once where nothing was chosen."""
        async with anyio.create_task_group() as tasks:
            for name in self.sources:
                tasks.start_soon(self.repeat, name)

    async def repeat(self, name: str) -> None:
        every = SOURCES[name].every if name in SOURCES else 3600.0
        while True:
            wait = every
            try:
                await (self.compare() if name == AGGREGATE else self.gather(SOURCES[name]))
            except LimitedError as limited:
                wait = max(AGAIN_S, (limited.until - self.now()) / 1000)
            except (FailedError, BlockedError, *UNREADABLE) as fault:
                log.warning("%s: no context: %s", name, fault)
                wait = AGAIN_S
            await anyio.sleep(wait)

    async def gather(self, source: Source) -> None:
        """Every fact about our assets, once. An asset that is not carried keeps nothing from the others."""
        failed: list[str] = []
        for ask in source.asks(self.assets):
            try:
                reply = await self.http.ask(source.of, ask)
            except FailedError as fault:
                failed.append(str(fault))
                continue
            for fact in source.read(reply):
                key = (fact.asset, fact.metric, fact.source, fact.at)
                if fact.asset in self.assets and key not in self.told:
                    self.told.add(key)
                    detail = {"metric": fact.metric, "unit": fact.unit, "value": fact.value, "source": fact.source}
                    self.sink(Event(fact.at, CONTEXT, fact.asset, "", json.dumps(detail | {"basis": "external"})))
        if failed:
            log.info("%s: %d questions were not answered: %s", source.of.id, len(failed), failed[0])

    async def compare(self) -> None:
        """The alarm: nothing of the aggregate is kept but that it disagrees."""
        reply = await self.http.ask(GECKO, Ask("https://api.coingecko.com/api/v3/derivatives"))
        ours: dict[tuple[str, str], float] = {}
        for r in self.current():
            if r.instrument.kind is Kind.PERPETUAL:
                key = (r.instrument.venue, r.instrument.asset)
                ours[key] = ours.get(key, 0.0) + r.usd
        for off in disagreements(aggregate(reply, self.venues), ours):
            log.warning("%s: an independent aggregate has %.3g times our open interest", off.venue, off.ratio)
            detail = {"ratio": off.ratio, "near": off.factor, "assets": off.assets, "source": AGGREGATE}
            self.sink(Event(self.now(), DISAGREES, "", off.venue, json.dumps(detail)))


def positive(value: str | float | None) -> float | None:
    """A number above zero; None where none is said. What is not a number is unreadable."""
    found = None if value is None or value == "" else float(value)
    return found if found is not None and 0 < found < math.inf else None


def moment(text: str) -> int:
    """ms UTC of an ISO time, to the second: some sources write nanoseconds."""
    return round(datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).timestamp() * 1000)
