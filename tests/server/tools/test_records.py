"""What an answer makes of the records of how divergences ended."""

import numpy as np
import pandas as pd
import pytest

from analytics.baserates import Ended, incidence
from server.tools.records import lives

HOUR, NOW = 3_600_000, 1_790_000_000_000


def kept(label: str, opened: int, resolved: float, kind: str = "rotation") -> dict[str, object]:
    return {"kind": kind, "label": label, "opened": opened, "resolved": resolved}


def test_what_is_open_has_lasted_until_now_and_what_is_void_says_nothing() -> None:
    rows = pd.DataFrame(
        [
            kept("mixed", NOW - 9 * HOUR, NOW - 8 * HOUR),
            kept("open", NOW - 20 * HOUR, np.nan),
            kept("expired", NOW - 50 * HOUR, NOW - 26 * HOUR),
            kept("void", NOW - 9 * HOUR, NOW - 8 * HOUR),
            kept("open", NOW - HOUR, np.nan, "conviction"),
        ]
    )
    assert lives(rows, "rotation", NOW) == [Ended(3600, "mixed"), Ended(72_000, None), Ended(86_400, None)]


def test_quick_ends_are_not_all_ends() -> None:
    quick = [kept("leader_reversed", NOW - 20 * HOUR, NOW - 19 * HOUR)] * 20
    standing = [kept("open", NOW - 20 * HOUR, np.nan)] * 20
    assert incidence(lives(pd.DataFrame(quick + standing), "rotation", NOW)) == pytest.approx({"leader_reversed": 0.5})
