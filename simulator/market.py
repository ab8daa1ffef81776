"""A market with known truth: prices, open interest a contract, funding, forced closes and scripted episodes.

Deterministic by seed, with random access: any moment, past or coming, may be asked for in any order.
Hourly knots come from one draw; the minutes between two knots are a Brownian bridge seeded by the hour; seconds are
interpolated, with a step of a few parts in 100,000 so that open interest moves as it does at a venue.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from simulator.episodes import Episode, Script
from simulator.quotes import Forced, Quote

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
PAST_DAYS, COMING_DAYS = 401, 60
PRICE_USD = {"BTC": 91_000.0, "ETH": 3_050.0, "SOL": 142.0}  # where the price stands at the start
COINS = {"BTC": 260_000.0, "ETH": 4_200_000.0, "SOL": 26_000_000.0}  # one-sided, all venues together
DAILY_VOLATILITY = 0.024
HOURLY_OI_SD = 0.006  # of ln Q, a contract's own
HOURLY_COMMON_SD = 0.003  # of ln Q, shared by all contracts of an asset
TURNOVER = 4e-3  # a minute's usual volume as a share of open interest: some six times a day
PULL = 0.004  # an hour's share of the way back to a contract's usual size

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Contract:
    """One instrument of the market. `weight` scales its usual share of the asset, which the seed draws."""

    venue: str
    segment: str
    symbol: str
    asset: str
    cls: str = "mixed"
    weight: float = 1.0
    funding_interval_h: float = 8.0


class Market:
    """Owns nothing that changes: every answer is a function of the seed, the contracts, the start and the moment."""

    def __init__(
        self, contracts: Iterable[Contract], *, seed: int, start_ms: int, script: Script | None = None
    ) -> None:
        self.seed = seed
        self.start_ms = start_ms
        self.first_hour = start_ms // HOUR_MS - PAST_DAYS * 24
        self.script = script if script is not None else Script(())
        self.contracts = {(c.venue, c.segment, c.symbol): c for c in contracts}
        self.assets = sorted({c.asset for c in self.contracts.values()})
        hours = (PAST_DAYS + COMING_DAYS) * 24
        self.price_knots = {asset: self._price(asset, hours) for asset in self.assets}
        self.common_knots = {
            asset: np.cumsum(self._rng("common", asset).normal(0, HOURLY_COMMON_SD, hours)) * 0.5
            for asset in self.assets
        }
        self.size_knots = {key: self._size(c, hours) for key, c in self.contracts.items()}
        self._minutes = lru_cache(maxsize=32_768)(self._bridge)
        self._traded = lru_cache(maxsize=4096)(self._volume)

    def quote(self, venue: str, segment: str, symbol: str, now_ms: int) -> Quote | None:
        """What the contract shows at a moment. None for one that is not traded here."""
        contract = self.contracts.get((venue, segment, symbol))
        return None if contract is None else self._shown(contract, now_ms)

    def _shown(self, contract: Contract, now_ms: int) -> Quote:
        spot = self._at(("price", contract.asset), now_ms) + self.script.price(contract.asset, now_ms)
        spot += self._jitter(("price", contract.asset), now_ms // 1000) * 2e-5
        return self._quote(contract, spot, self._held(contract, now_ms), now_ms)

    def _held(self, contract: Contract, now_ms: int) -> float:
        """ln of the contract's open interest."""
        key = (contract.venue, contract.segment, contract.symbol)
        own = self._at(key, now_ms) + self._at(("common", contract.asset), now_ms)
        return own + self.script.size(contract, now_ms) + self._jitter(key, now_ms // 1000) * 4e-5

    def _volume(self, contract: Contract, minute: int) -> tuple[float, float]:
        """(coins, of them bought by takers) of a minute: more than any change of open interest in it can need."""
        before = math.exp(self._held(contract, minute * MINUTE_MS))
        change = math.exp(self._held(contract, (minute + 1) * MINUTE_MS)) - before
        mood = self._jitter((contract.venue, contract.segment, contract.symbol, "volume"), minute)
        volume = TURNOVER * math.exp(0.5 * mood) * before + 2 * abs(change)
        lean = self._jitter((contract.venue, contract.segment, contract.symbol, "taker"), minute)
        return volume, volume * (0.5 + 0.2 * lean)

    def past(
        self, venue: str, segment: str, symbol: str, start_ms: int, end_ms: int, step_ms: int
    ) -> Sequence[tuple[int, Quote]]:
        """The contract's own history, at every multiple of `step_ms` from `start_ms` to `end_ms`, both included."""
        contract = self.contracts[venue, segment, symbol]
        first = -(-start_ms // step_ms) * step_ms
        return [(t, self._shown(contract, t)) for t in range(first, end_ms + 1, step_ms)]

    def series(self, key: tuple[str, str, str], times_ms: npt.NDArray[np.int64]) -> tuple[Array, Array]:
        """(mark in USD a coin, one-sided coins) at many moments at once, without the steps of seconds."""
        contract = self.contracts[key]
        spot = self._many(("price", contract.asset), times_ms)
        own = self._many(key, times_ms) + self._many(("common", contract.asset), times_ms)
        return np.exp(spot), np.exp(own)

    def funding(self, contract: Contract, now_ms: int) -> float:
        """The rate of the running interval, a fraction per `funding_interval_h`."""
        lean = self._jitter((contract.venue, contract.symbol, "funding"), now_ms // (8 * HOUR_MS))
        return round(1e-4 * (1 + 0.8 * lean) * contract.funding_interval_h / 8, 8)

    def fundings(self, contract: Contract, times_ms: npt.NDArray[np.int64]) -> Array:
        """`funding` at many moments at once."""
        periods, place = np.unique(times_ms // (8 * HOUR_MS), return_inverse=True)
        rates = [self.funding(contract, int(period) * 8 * HOUR_MS) for period in periods]
        return np.array(rates, dtype=np.float64)[place]

    def forced(self, venue: str, segment: str, symbol: str, since_ms: int, now_ms: int) -> Sequence[Forced]:
        """Forced closes with since_ms < ts_ms <= now_ms, in order."""
        contract = self.contracts[venue, segment, symbol]
        found: list[Forced] = []
        for minute in range(since_ms // MINUTE_MS, now_ms // MINUTE_MS + 1):
            found += [f for f in self._deaths(contract, minute) if since_ms < f.ts_ms <= now_ms]
        return found

    def episodes(self, start_ms: int, end_ms: int) -> list[Episode]:
        """The labels: what was scripted between two moments."""
        return [e for e in self.script.episodes if e.start_ms < end_ms and e.end_ms > start_ms]

    def _quote(self, contract: Contract, spot: float, size: float, now_ms: int) -> Quote:
        hour = now_ms // HOUR_MS
        tilt = self._jitter((contract.venue, contract.symbol, "basis"), hour)
        index = math.exp(spot)
        interval = contract.funding_interval_h
        period = int(interval * HOUR_MS)
        volume, taker_buy = self._traded(contract, now_ms // MINUTE_MS)
        return Quote(
            mark=index * (1 + 3e-4 * tilt),
            index=index,
            last=index * (1 + 3e-4 * tilt + 1e-5),
            oi_base=math.exp(size),
            funding=self.funding(contract, now_ms),
            funding_interval_h=interval,
            next_funding_ms=(now_ms // period + 1) * period,
            volume_base=volume,
            taker_buy_base=taker_buy,
        )

    def _deaths(self, contract: Contract, minute: int) -> list[Forced]:
        key = (contract.venue, contract.segment, contract.symbol)
        rng = self._rng("forced", *key, minute)
        before = self._shown(contract, minute * MINUTE_MS)
        after = self._shown(contract, (minute + 1) * MINUTE_MS)
        move = math.log(after.index / before.index)
        lost = max(math.log(before.oi_base / after.oi_base), 0.0)
        # Quiet minutes: now and then a small one. Moves: the share of the fall in open interest that was not wanted.
        share = 2e-6 * rng.exponential() + (lost * 0.6 if abs(move) > 0.002 else 0.0)
        count = int(rng.poisson(0.3 + min(200 * abs(move), 12.0)))
        if count == 0:
            return []
        cuts = rng.dirichlet(np.full(count, 0.7)) * share * before.oi_base
        seconds = np.sort(rng.integers(0, MINUTE_MS, count))
        side = "long" if move < 0 else "short"
        path = [before.mark * math.exp(move * float(s) / MINUTE_MS) for s in seconds]
        return [
            Forced(minute * MINUTE_MS + int(s), side, float(q), float(p))
            for s, q, p in zip(seconds, cuts, path, strict=True)
            if q * p > 10.0
        ]

    def _price(self, asset: str, hours: int) -> Array:
        """ln price: stochastic volatility with Student shocks (4 degrees of freedom), level 0 shifted to the start."""
        rng = self._rng("price", asset)
        calm = np.empty(hours)
        level = 0.0
        for k, shock in enumerate(rng.normal(0, 0.12, hours)):
            level = 0.985 * level + shock
            calm[k] = level
        scale = DAILY_VOLATILITY / math.sqrt(24) * np.exp(calm - calm.var())
        steps = scale * rng.standard_t(4, hours) / math.sqrt(2)
        path = np.cumsum(np.clip(steps, -0.08, 0.08))
        # A gentle pull to the mean keeps 400 days within a plausible range.
        path -= 0.6 * np.linspace(path[0], path[PAST_DAYS * 24], hours)
        return path - path[PAST_DAYS * 24] + math.log(PRICE_USD.get(asset, self._other(asset, 0.05, 400.0)))

    def _size(self, contract: Contract, hours: int) -> Array:
        peers = [c for c in self.contracts.values() if c.asset == contract.asset]
        total = COINS.get(contract.asset, 4e9 / self._other(contract.asset, 0.05, 400.0) / 100)
        usual = math.log(total * self._weight(contract) / sum(self._weight(c) for c in peers))
        rng = self._rng("size", contract.venue, contract.segment, contract.symbol)
        path = np.empty(hours)
        gap = 0.0
        for k, shock in enumerate(rng.normal(0, HOURLY_OI_SD, hours)):
            gap = gap * (1 - PULL) + shock
            path[k] = gap
        return usual + path

    def _weight(self, contract: Contract) -> float:
        return contract.weight * math.exp(0.9 * self._jitter((contract.venue, contract.symbol, "weight"), 0))

    def _bridge(self, key: tuple[str, ...], hour: int) -> Array:
        """61 minute values from one knot to the next."""
        knots = self._knots(key)
        at = min(max(hour - self.first_hour, 0), len(knots) - 2)
        sd = {"price": DAILY_VOLATILITY / math.sqrt(1440), "common": HOURLY_COMMON_SD / 16}.get(
            key[0], HOURLY_OI_SD / 10
        )
        walk = np.concatenate(([0.0], np.cumsum(self._rng("bridge", *key, hour).normal(0, sd, 60))))
        along = np.linspace(0, 1, 61)
        return knots[at] + (knots[at + 1] - knots[at]) * along + walk - walk[-1] * along

    def _knots(self, key: tuple[str, ...]) -> Array:
        match key:
            case ("price", asset):
                return self.price_knots[asset]
            case ("common", asset):
                return self.common_knots[asset]
            case (venue, segment, symbol):
                return self.size_knots[venue, segment, symbol]
            case _:
                raise KeyError(key)

    def _at(self, key: tuple[str, ...], now_ms: int) -> float:
        if now_ms % HOUR_MS == 0:  # a bridge starts at its knot
            return float(self._knots(key)[max(now_ms // HOUR_MS - self.first_hour, 0)])
        minutes = self._minutes(key, now_ms // HOUR_MS)
        whole, rest = divmod(now_ms % HOUR_MS, MINUTE_MS)
        return float(minutes[whole] + (minutes[whole + 1] - minutes[whole]) * rest / MINUTE_MS)

    def _many(self, key: tuple[str, ...], times_ms: npt.NDArray[np.int64]) -> Array:
        hours = times_ms // HOUR_MS
        values = self._knots(key)[np.clip(hours - self.first_hour, 0, None)]
        inside = times_ms % HOUR_MS != 0  # a bridge starts at its knot, so full hours need none
        if inside.any():
            unique, place = np.unique(hours[inside], return_inverse=True)
            table = np.stack([self._minutes(key, int(h)) for h in unique])
            values[inside] = table[place, (times_ms[inside] % HOUR_MS) // MINUTE_MS]
        return values

    def _rng(self, *words: object) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=_hash(self.seed, *words)))

    def _jitter(self, key: tuple[str, ...], tick: int) -> float:
        """A number in [-1, 1) that a key and a tick always give."""
        return _hash(self.seed, *key, tick) / 2**63 - 1.0

    def _other(self, asset: str, low: float, high: float) -> float:
        return low * (high / low) ** (_hash(self.seed, asset) / 2**64)


def _hash(*words: object) -> int:
    """64 bits that the same words give in every process (Python's own hash does not)."""
    return int.from_bytes(blake2b(repr(words).encode(), digest_size=8).digest(), "big")
