"""What one sweep over assets, windows and types may raise, and what it closes (analytics.md, 3.4 and 10.4).

Many questions are asked at once, so p-values are adjusted over the whole sweep; and what is open closes only below 80 %
of what opened it, so that a value on the edge does not flicker.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass

from analytics.concentration import Concentration
from analytics.divergence import Divergence
from analytics.levels import ChartSeries
from analytics.multiplicity import PROCEDURES, Adjusted, expected_false
from analytics.settings import DEFAULTS, Settings

Key = tuple[str, str, str]  # asset, kind, leader
HYSTERESIS = 0.80
SWEEPS_A_DAY = 24


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that was looked at. It fires from `threshold` on; both have the unit `unit`."""

    asset: str
    kind: str
    leader: str  # a venue or a class; empty: the market
    window_s: int
    value: float
    threshold: float
    unit: str
    p: float | None  # None: no test, the rule itself decides
    sound: bool  # heard well enough to raise or close anything
    holds: bool = True  # the rule's other conditions

    @property
    def key(self) -> Key:
        return self.asset, self.kind, self.leader


@dataclass(frozen=True, slots=True)
class Raised:
    """A signal that opened or closed."""

    signal: Signal
    state: str  # open | closed
    adjusted: Adjusted | None


@dataclass(frozen=True, slots=True)
class Sweep:
    raised: tuple[Raised, ...]
    standing: frozenset[Key]
    family: int  # tests in this sweep
    expected_false_a_day: float  # of tested signals, at most, were nothing ever the matter and the tests independent


def swept(signals: Iterable[Signal], standing: Set[Key], settings: Settings = DEFAULTS) -> Sweep:
    """`settings.multiplicity` over every tested signal, then hysteresis; one record a key, its strongest window speaks.

    A key that no sound signal speaks of stays as it was. No signals: nothing changes.
    """
    told = sorted(signals, key=lambda s: (s.key, -s.value / s.threshold if s.threshold > 0 else 0.0))
    tested = [s for s in told if s.p is not None]
    judged = PROCEDURES[settings.multiplicity]([s.p for s in tested if s.p is not None], settings.fdr)
    results = dict(zip(map(id, tested), judged, strict=True))
    still: set[Key] = set(standing)
    raised: list[Raised] = []
    for key in dict.fromkeys(s.key for s in told):
        mine = [s for s in told if s.key == key and s.sound]
        if not mine:
            continue
        firing = [
            s for s in mine
            if s.holds and s.value >= s.threshold and (s.p is None or results[id(s)].rejected)
        ]  # fmt: skip
        if firing and key not in still:
            still.add(key)
            raised.append(Raised(firing[0], "open", results.get(id(firing[0]))))
        elif key in still and not any(s.value >= HYSTERESIS * s.threshold for s in mine):
            still.remove(key)
            raised.append(Raised(mine[0], "closed", results.get(id(mine[0]))))
    false = expected_false(len(tested), settings.fdr, settings.multiplicity)
    return Sweep(tuple(raised), frozenset(still), len(tested), false * SWEEPS_A_DAY)


def of_divergence(asset: str, d: Divergence, settings: Settings = DEFAULTS) -> tuple[Signal, ...]:
    """Rotation, conviction and concentrated inflow of one window: they hold where their label does. Who does not lead
    now, class or venue, has a signal that cannot open anything, so that what it led before can close. A refused window
    gives none.
    """
    sound = d.coverage.grade != "D" and d.label != "insufficient_data"
    out: list[Signal] = []
    turned, parted, came = d.rotation, d.conviction, d.inflow
    if turned is not None and turned.material is not None and d.level_usd is not None:
        chances = [p for p in (turned.p, turned.vr_p if (turned.vr or 1.0) < 1 else None) if p is not None]
        p = min(1.0, min(chances) * len(chances)) if chances else None
        limit = turned.material
        out.append(
            Signal(asset, "rotation", "", d.window_s, turned.rotated_usd, limit.value, "USD", p, sound,
                   turned.label == "venue_rotation")
        )  # fmt: skip
    if parted is not None and parted.diff is not None and parted.threshold is not None:
        strict = parted.label in ("conviction_speculative", "conviction_institutional")
        leader, other = ("speculative", "institutional") if parted.diff > 0 else ("institutional", "speculative")
        limit = parted.threshold.value
        out += [
            Signal(asset, "conviction", other, d.window_s, 0.0, limit, "fraction", None, sound, False),
            Signal(asset, "conviction", leader, d.window_s, abs(parted.diff), limit, "fraction", parted.p, sound,
                   strict),
        ]  # fmt: skip
    for venue in d.venues if came is not None else ():  # one that leads no longer ends what it began
        share = max(venue.flow_usd, 0.0) / came.gross_usd if came is not None and came.gross_usd > 0 else 0.0
        if came is not None and venue.venue != came.leader:
            out.append(
                Signal(asset, "concentrated_inflow", venue.venue, d.window_s, share, settings.inflow_phi, "fraction",
                       None, sound, False)
            )  # fmt: skip
    if came is not None and came.leader is not None and came.max_phi is not None:
        by_rule = came.flag is not None and (came.persistent or came.unusual)
        out.append(
            Signal(asset, "concentrated_inflow", came.leader, d.window_s, came.max_phi, settings.inflow_phi,
                   "fraction", None if by_rule else came.p, sound, came.flag is not None)
        )  # fmt: skip
    return tuple(out)


def of_concentration(asset: str, c: Concentration, settings: Settings = DEFAULTS) -> tuple[Signal, ...]:
    """Fragility: the higher of both percentiles."""
    ranks = [x for x in (c.percentile_hhi, c.percentile_new) if x is not None]
    if not ranks:
        return ()
    sound = c.coverage.grade != "D"
    limit = settings.fragility_percentile
    return (Signal(asset, "fragility", "", c.window_s, max(ranks), limit, "percentile", None, sound),)


def of_level(asset: str, shown: ChartSeries, settings: Settings = DEFAULTS) -> tuple[Signal, ...]:
    """Falls of a day, the plateau and the nearness of the high; silent and departed venues."""
    sound = shown.coverage.grade != "D"
    day, window = shown.day, settings.drop_window_s
    out: list[Signal] = []
    if day is not None and day.growth is not None and day.usd_growth is not None:
        limit = -settings.drop_share
        fell = day.growth <= settings.drop_share
        out += [
            Signal(asset, "deleveraging", "", window, -day.growth, limit, "fraction", None, sound),
            Signal(asset, "price_effect_drop", "", window, 0.0 if fell else -day.usd_growth, limit, "fraction", None,
                   sound),
        ]  # fmt: skip
    if shown.high.share is not None:
        out.append(
            Signal(asset, "near_high", "", 0, shown.high.share, settings.zone_near_high, "fraction", None, sound)
        )
    days, needed = float(shown.high.plateau_days), float(settings.plateau_closes + 1)
    out.append(Signal(asset, "plateau", "", 0, days, needed, "closes", None, sound))
    heard = shown.coverage
    for group, away in ((heard.fresh, 0.0), (heard.stale, 0.0), (heard.carried, 1.0), (heard.excluded, 1.0)):
        out += [Signal(asset, "venue_dead", v.venue, 0, away, 1.0, "venues", None, True) for v in group]
    # a dead one neither opens nor closes it: it ends when the venue is heard again
    for group, away in ((heard.fresh, 0.0), (heard.stale, 1.0)):
        out += [Signal(asset, "venue_stale", v.venue, 0, away, 1.0, "venues", None, True) for v in group]
    for group, away in ((heard.fresh, 0.0), (heard.carried, 0.0), (heard.excluded, 1.0)):
        out += [Signal(asset, "universe_change", v.venue, 0, away, 1.0, "venues", None, True) for v in group]
    return tuple(out)
