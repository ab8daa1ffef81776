"""Integrity of each reading (analytics.md 1.3, checks 3 and 4): what is doubtful is held or set aside, never used.

Pure: a level and a reading in, a verdict out. `Board` asks only about readings that leave the band of one jump to
either side of the last, which one chained comparison tells; not-a-number, zero and infinity leave every band.

A stated zero is kept raw in quarantine (`not_positive`) and never becomes a reading: a venue in maintenance says zero
too, and an outage must not look like open interest leaving.

Nothing is refused for good: a level that three readings agree on is taken, however far it is from the last, and a level
that nothing has confirmed for seven days is no measure any more. The first reading alone confirms nothing, so that a
wrong one is never what later ones are held against.
"""

import json
import math
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

import msgspec

from store.records import HELD, Event, Flag, OpenInterest, Quarantined

JUMP = 0.20  # |ln| of one step beyond which two more readings must agree, unless a level is told another
CONFIRM_MS = 600_000  # in which they must come
NEEDED = 3  # the jump itself and two more
ALONE_MS = 3_600_000  # after which a step that waits for REST counts without it, if REST gave no answer at all
MAGNITUDE = 1e4  # times the trailing median, either way
TRAIL_MS = 7 * 86_400_000
SAMPLE_MS = 3_600_000  # the median is over one reading an hour
TENTH = 0.1  # of a step that may be by a power of ten: such a one is asked for over REST before it counts
LEAST, MOST = 1e-30, 1e30  # of any amount: beyond, coins or dollars would be no finite number
NEAR = 0.02  # of a ratio that betrays a change of unit or of convention
TWIN = 0.02  # |ln| between what one statement says in coins and in USD (check 1)
REPEAT_MS = 60_000  # one and the same refusal, or that something is held, is written down so often


class Level:
    """What one instrument's open interest was lately, in its own native unit, one-sided."""

    __slots__ = (
        "agreed", "alone", "asking", "at", "held", "jump", "last", "mark", "refused", "samples", "told",
        "verifies", "window",
    )  # fmt: skip

    def __init__(
        self, window: int = CONFIRM_MS, verifies: bool = False, alone: int = ALONE_MS, jump: float = JUMP
    ) -> None:  # fmt: skip
        self.last = math.nan  # of the last reading that passed ...
        self.at = 0  # ... and when that was, ms UTC, give or take a minute
        self.agreed = 0  # readings in a row that agree on it; of NEEDED it is a level
        self.held: list[tuple[float, OpenInterest]] = []  # at a new level, not yet believed
        self.samples: deque[tuple[int, float]] = deque()
        self.window = window  # ms
        self.jump = jump  # |ln|
        self.verifies = verifies  # a second source can be asked
        self.asking = False  # it should be
        self.alone = alone  # ms for which its answer is waited for
        self.told = -REPEAT_MS  # when it was last said that something is held, ms UTC
        self.mark = math.nan  # lately, in quote units a coin
        self.refused: tuple[str, float, int] = ("", math.nan, 0)  # check, raw, when

    def sample(self, seen: int) -> None:
        """Remember the last good value for the median, once an hour."""
        if not math.isnan(self.last) and (not self.samples or seen - self.samples[-1][0] >= SAMPLE_MS):
            self.samples.append((seen, self.last))
        while self.samples and seen - self.samples[0][0] > TRAIL_MS:
            self.samples.popleft()

    def take(self, value: float, seen: int, agreed: int) -> None:
        """A reading has passed, and so many in a row agree on it."""
        self.last, self.at, self.agreed = value, max(self.at, seen), agreed
        if agreed >= NEEDED:
            self.sample(seen)

    def far(self, value: float) -> bool:
        """Whether a value is out of all proportion to the trailing median, or to the last before there is one."""
        middle = median(amount for _, amount in self.samples) if self.samples else self.last
        return not middle / MAGNITUDE <= value <= middle * MAGNITUDE


@dataclass(frozen=True, slots=True)
class Verdict:
    passed: tuple[OpenInterest, ...] = ()
    aside: tuple[Quarantined | Event, ...] = ()


def judge(level: Level, value: float, reading: OpenInterest) -> Verdict:
    """Whether a reading may be used. `value` is its one-sided native amount, which `level` is in."""
    if (wrong := no_amount(value)) is not None:
        return refuse_once(level, reading, *wrong)
    aside: tuple[Quarantined, ...] = ()
    if reading.seen - level.at > TRAIL_MS:
        aside = unconfirmed(level)
        level.last, level.agreed = math.nan, 0
    if math.isnan(level.last) or abs(math.log(value / level.last)) <= level.jump:
        aside += unconfirmed(level)
        level.take(value, reading.seen, level.agreed + 1)
        return Verdict((reading,), aside)
    if reading.flags & Flag.AFFIRMED:
        return Verdict()  # the same statement once more is not a second one
    return jump(level, value, reading)


def no_amount(value: float) -> tuple[str, str] | None:
    """(check, words) of what is no open interest at all."""
    if not abs(value) <= MOST:
        return "not_finite", "not a finite number, or past all bounds"
    return ("not_positive", "below zero" if value < 0 else "zero") if value < LEAST else None


def twins(level: Level, usd: float, reading: OpenInterest) -> Verdict | None:
    """Check 1: what the same statement says in USD, as published, must be ours; None where it is."""
    ours = reading.usd * reading.field.sides
    if not (LEAST < usd < MOST and ours > LEAST):
        return None  # zeros and nonsense are for the other checks
    if abs(math.log(usd / ours)) <= TWIN:
        return None
    words = f"stated as {usd:.6g} USD too, which is {usd / ours:.4g} of ours"
    return refuse_once(level, reading, "implied_price", words)


def jump(level: Level, value: float, reading: OpenInterest) -> Verdict:
    """Hold a reading at a new level until two more agree with it in time; one out of proportion, until REST does.

    If REST says nothing, it counts once readings have agreed for `level.alone`: then it is named, and is no flow.
    """
    aside: tuple[Quarantined | Event, ...] = ()
    if level.held:
        first, at = level.held[0][0], level.held[0][1].seen
        late = reading.seen - at > level.window and not level.asking
        if late or abs(math.log(value / first)) > level.jump:
            aside = unconfirmed(level)
    level.held.append((value, reading))
    if len(level.held) < NEEDED:
        return Verdict((), aside)
    first = level.held[0][0]
    if level.verifies and (tenfold(first / level.last) or level.far(first)) and not priced_anew(level, reading):
        del level.held[NEEDED - 1 : -1]  # the first ones and the newest are enough
        if reading.seen - level.held[0][1].seen >= level.alone:
            return confirmed(level, reading.seen, aside, by="readings, REST gave no answer")
        level.asking = True
        return Verdict((), (*aside, *waiting(level, reading)))
    return confirmed(level, reading.seen, aside)


def waiting(level: Level, reading: OpenInterest) -> tuple[Quarantined, ...]:
    """What is held, and what for: once a minute, as long as it lasts."""
    if reading.seen - level.told < REPEAT_MS:
        return ()
    level.told = reading.seen
    ends = datetime.fromtimestamp((level.held[0][1].seen + level.alone) / 1000, UTC)
    words = (
        f"{level.held[0][0] / level.last:.4g} times the last: held until REST says the same, "
        f"or until {ends:%Y-%m-%dT%H:%M:%SZ} if it gives no answer"
    )
    return (quarantined(reading, HELD, words),)


def confirmed(level: Level, seen: int, aside: tuple[Quarantined | Event, ...] = (), by: str = "readings") -> Verdict:
    """The new level holds: the held readings pass, flagged, as known from `seen` on [ms UTC]."""
    (first, began), (value, reading) = level.held[0], level.held[-1]
    ratio = first / level.last
    i = reading.instrument
    factor = unit_like(ratio, i.contract_size)
    if factor is None and level.asking and tenfold(ratio):
        factor = power_of_ten(ratio)
    if factor is not None:
        told = {"symbol": i.symbol, "ratio": ratio, "factor": factor, "since": began.ts, "from": level.last,
                "to": value, "coins": abs(value - level.last) * reading.base / value, "confirmed_by": by}  # fmt: skip
        aside += (Event(seen, "unit_or_convention_change", i.asset, i.venue, json.dumps(told)),)
    # what was held was not known to anyone before it was released
    passed = tuple(msgspec.structs.replace(r, seen=seen, flags=r.flags | Flag.CONFIRMED_JUMP) for _, r in level.held)
    level.held.clear()
    level.asking = False
    if level.far(value):
        level.samples.clear()  # what was usual before says nothing of it
    level.take(value, seen, NEEDED)
    return Verdict(passed, aside)


def told_again(level: Level, value: float, seen: int) -> Verdict:
    """What a second source says of a held step by a power of ten (faults.md, F31). `value` is in the level's unit."""
    if value > 0 and abs(math.log(value / level.held[0][0])) <= level.jump:
        return confirmed(level, seen, by="REST")
    return Verdict((), unconfirmed(level))


def tenfold(ratio: float) -> bool:
    """Whether a step is about one by a power of ten."""
    power = power_of_ten(ratio)
    return power != 1.0 and abs(ratio / power - 1) <= TENTH


def power_of_ten(ratio: float) -> float:
    """The nearest one."""
    return 10.0 ** round(math.log10(ratio))


def priced_anew(level: Level, reading: OpenInterest) -> bool:
    """Whether the price stepped too: then the contract was split, and its coins are what they were."""
    return level.mark > 0 and abs(math.log(reading.mark / level.mark)) > level.jump


def unconfirmed(level: Level) -> tuple[Quarantined, ...]:
    """The held readings, given up: the level they showed did not last."""
    given_up: list[Quarantined] = []
    for value, reading in level.held:
        ratio = value / level.last
        check = named(ratio, level.far(value), reading.instrument.contract_size)
        given_up.append(quarantined(reading, check, f"{ratio:.4g} times the last, not confirmed"))
    level.held.clear()
    level.asking = False
    return tuple(given_up)


def named(ratio: float, far: bool, contract_size: float) -> str:
    """The check that a level which did not last has failed. `far`: out of all proportion to what is usual."""
    if far:
        return "magnitude"
    return "jump" if unit_like(ratio, contract_size) is None else "unit_or_convention_change"


def unit_like(ratio: float, contract_size: float) -> float | None:
    """The factor, where a step looks like another unit or another way of counting: 2, 1/2, c, 1/c or a power of ten."""
    betrayers = (2.0, 0.5, contract_size, 1 / contract_size, power_of_ten(ratio))
    return next((known for known in betrayers if known != 1.0 and abs(ratio / known - 1) <= NEAR), None)


def refuse_once(level: Level, reading: OpenInterest, check: str, words: str) -> Verdict:
    """Quarantine, but not the same again within a minute: a venue in maintenance repeats itself."""
    before, raw, at = level.refused
    if before == check and (raw == reading.raw or raw != raw) and reading.seen - at < REPEAT_MS:
        return Verdict()
    level.refused = (check, reading.raw, reading.seen)
    return Verdict((), (quarantined(reading, check, words),))


def quarantined(reading: OpenInterest, check: str, words: str) -> Quarantined:
    i = reading.instrument
    return Quarantined(i.venue, i.segment, i.symbol, reading.seen, check, words, repr(reading.raw))
