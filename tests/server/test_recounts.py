"""A step by a telling factor is another way of counting only where nobody traded it."""

import json
from pathlib import Path

import pytest

from server.recounts import recounts
from server.tools.interest import get_open_interest
from store.records import Event, Source, Volume
from tests.server.tools.made import HOUR, MINUTE, NOW, Held, always, by_name, linear, market, turned

AT = NOW - 30 * MINUTE


@pytest.mark.parametrize(("a_minute", "growth_pct"), [(100.0, None), (200.0, -50.0)])
def test_half_of_a_venue_may_really_leave(tmp_path: Path, a_minute: float, growth_pct: float | None) -> None:
    told = {"symbol": "BTCUSDT", "ratio": 0.5, "factor": 0.5, "since": AT, "coins": 1000.0}
    event = Event(AT + 2 * MINUTE, "unit_or_convention_change", "BTC", "north", json.dumps(told))
    traded = [
        Volume(linear("north"), AT + k * MINUTE, AT + (k + 1) * MINUTE, a_minute, None, Source.STREAM, False)
        for k in range(-5, 8)
    ]
    lines = Held(linear("north"), turned(2000.0, 1000.0, AT)), Held(linear("south"), always(1000.0))
    with market(tmp_path, *lines, said=[event, *traded]) as house:
        left = recounts(house.reader, "BTC", NOW - HOUR, NOW)
        rows = by_name(get_open_interest(house), "venue")
    assert len(left) == (growth_pct is None)
    assert rows["north"]["growth_24h_pct"] == growth_pct
