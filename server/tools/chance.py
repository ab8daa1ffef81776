"""How many false alarms are to be expected of the hourly sweep, and of the rules that it cannot test."""

import json

from analytics.chance import RULES
from server.answers import Cell, Table, rounded
from server.tools.house import House
from server.tools.moment import APART

SWEPT = "swept"  # events of server.sweep: what the last sweep tested
STANDS_MS = 2 * 3_600_000
NAMES = ("sweep_n_tests", "expected_false_alarms_per_day")
COLUMNS = ["rule", "tested", "chance_low_share", "chance_high_share", "words"]


def expected(house: House, now: int) -> tuple[dict[str, Cell], list[str]]:
    """Figures: the tests of the last sweep, of all assets and windows, and what it raises by chance; warnings."""
    if house.apart:
        return dict.fromkeys(NAMES), [APART.format(house.reader.universe)]
    rows = house.reader.events(SWEPT, now - STANDS_MS, now + 1)
    if not len(rows):
        words = "no_data: no sweep has run within two hours: how many false alarms a day are to be expected is unknown."
        return dict.fromkeys(NAMES), [words]
    told = json.loads(str(rows["detail"].iloc[-1]))
    return dict(zip(NAMES, (told["family"], rounded(told["expected_false_a_day"])), strict=True)), []


def rules() -> Table:
    """A rule a row: the share of windows in which it speaks where nothing is the matter; null: it claims none."""
    return Table(columns=COLUMNS, rows=[[c.rule, c.tested, c.low, c.high, c.why] for c in RULES])
