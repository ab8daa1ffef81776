"""A question about a past instant sees what had been received by then, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from mcp.server.mcpserver.exceptions import ToolError

from analytics import usual
from analytics.episodes import RULES
from server.answers import Answer, utc
from server.tools import TOOLS, House
from server.tools.divergence import get_oi_divergence
from server.tools.interest import get_open_interest
from server.tools.moment import instant
from store.bars import build
from store.bulk import write_readings
from store.closes import GRACE_MS, write_closes
from store.derived import append
from tests.server.tools.made import DAY, HOUR, MINUTE, NOW, Held, always, columns, linear, market, turned

THEN = NOW - 3 * HOUR
SAID = '{"leaders": [], "window_s": 3600, "gap0": 0.1}'


def answers(house: House) -> list[Answer]:
    return [function(house, as_of=utc(THEN)) for function in TOOLS]


def test_what_arrives_later_changes_no_answer_about_then(tmp_path: Path) -> None:
    said = turned(1000.0, 1300.0, NOW - 2 * HOUR)
    held = [
        Held(linear("north"), said, start=NOW - 3 * DAY, klass="speculative"),
        Held(linear("south"), always(500.0), start=NOW - 3 * DAY, end=THEN - 2 * HOUR, klass="institutional"),
    ]
    with market(tmp_path, *held) as house:
        before = answers(house)
        store = house.reader.store
        late = columns(Held(linear("south"), always(900.0), start=NOW - 2 * DAY, end=NOW, step=7 * MINUTE))
        ts = np.asarray(late["ts"]) + 1
        assert write_readings(store, {**late, "ts": ts, "seen": np.full(len(ts), NOW), "source": "backfill"}, False)
        build(store, NOW - 3 * DAY, NOW)  # bars and closes are corrected by the late rows
        write_closes(store, NOW - 3 * DAY, NOW - GRACE_MS)
        append(
            store,
            "thresholds",
            [
                ("BTC", "rotated", 3600, 1.0, 999, usual.VERSION, NOW),
                ("BTC", "hhi q50", 86400, 1, 999, usual.VERSION, NOW),
            ],
        )
        append(store, "events", [(THEN - HOUR, "plateau", "BTC", "", "{}", False, NOW)])
        append(store, "episodes", [("x", "BTC", "rotation", "", THEN - HOUR, None, "open", RULES, SAID, False, NOW)])
        assert answers(house) == before
        now = [get_open_interest(house)]
    assert [a.as_of for a in before] == [utc(THEN)] * len(before)
    assert now[0].figures["total_coins"] == 2200
    assert before[TOOLS.index(get_open_interest)].figures["total_coins"] == 1500


def test_a_moment_is_a_time_or_milliseconds_and_never_in_the_future(tmp_path: Path) -> None:
    assert instant("2026-11-22T00:00:00Z") == instant("2026-11-22T01:00:00+01:00") == instant(1_795_305_600_000)
    assert instant("1795305600000") == instant("2026-11-22T00:00:00")
    for wrong in ("yesterday", "12", -5):
        with pytest.raises(ToolError, match=r"write it as|13 digits"):
            instant(wrong)
    with market(tmp_path, Held(linear("north"), always(1.0))) as house, pytest.raises(ToolError, match="in the future"):
        get_oi_divergence(house, as_of=NOW + 5 * MINUTE)


def test_a_past_before_everything_says_no_data(tmp_path: Path) -> None:
    with market(tmp_path, Held(linear("north"), always(1.0))) as house, pytest.raises(ToolError, match="no_data"):
        get_open_interest(house, as_of=NOW - 90 * DAY)
