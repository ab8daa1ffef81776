"""What the state promises: a version, and no loss on the way to bytes and back."""

import io
import json
from dataclasses import fields

import numpy as np
import pytest

from analytics.liquidation import Terms, advance, from_bytes, start, to_bytes
from analytics.liquidation.state import Ledger, Mass
from analytics.settings import Settings
from tests.analytics.liquidation.market import bars, breathe, wander


def test_bytes_give_the_same_state_back_and_it_advances_the_same() -> None:
    frame = bars(wander(80, 1), breathe(80, 2))
    begun = advance(start("BTC", {"alpha": Terms(50.0)}), frame.iloc[:60])
    kept = from_bytes(to_bytes(begun))
    assert (kept.asset, kept.policy, kept.as_of, kept.books) == ("BTC", "age_hazard", begun.as_of, begun.books)
    one, other = advance(begun, frame.iloc[60:]), advance(kept, frame.iloc[60:])
    for part, kind in (("ledger", Ledger), ("mass", Mass)):
        for f in fields(kind):
            np.testing.assert_array_equal(getattr(getattr(one, part), f.name), getattr(getattr(other, part), f.name))


def test_a_state_keeps_the_settings_it_was_made_by() -> None:
    made = start("BTC", settings=Settings(map_tilt=0.5, map_holding_days=(1.0,) * 11, fdr=0.2))
    assert made.settings == Settings(map_tilt=0.5, map_holding_days=(1.0,) * 11), "those of the map, not of others"
    assert from_bytes(to_bytes(made)).settings == made.settings


def test_an_empty_state_survives_too() -> None:
    assert from_bytes(to_bytes(start("ETH"))).books == ()


def test_another_version_asks_for_a_rebuild() -> None:
    with np.load(io.BytesIO(to_bytes(start("BTC")))) as kept:
        arrays = dict(kept)
    head = json.loads(arrays["head"].tobytes()) | {"version": 99}
    arrays["head"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
    out = io.BytesIO()
    np.savez(out, **arrays)
    with pytest.raises(ValueError, match=r"version 99.*rebuild"):
        from_bytes(out.getvalue())


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut", b"not an archive"])
def test_damage_asks_for_a_rebuild(data: bytes) -> None:
    with pytest.raises(ValueError, match="rebuild"):
        from_bytes(data)


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="'newest_first'; there are age_hazard, pro_rata, fifo, lifo"):
        start("BTC", policy="newest_first")  # type: ignore[arg-type]  # that is the point
