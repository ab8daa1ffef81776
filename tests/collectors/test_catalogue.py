"""What a catalogue says that cannot be is not taken as true."""

import math
from dataclasses import replace

import pytest

from collectors.catalogue import believable
from store.records import Instrument

BTC = Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT", max_leverage=50.0, funding_interval_h=8.0, valid_from=5)


@pytest.mark.parametrize("size", [0.0, -1.0, math.inf, math.nan, 1e-320, 1e308])
def test_who_has_no_possible_size_keeps_its_place_and_is_not_collected(size: float) -> None:
    for wrong in (replace(BTC, contract_size=size), replace(BTC, base_factor=size)):
        first, second = believable([wrong, BTC])
        assert (first.symbol, first.live) == ("BTC", False)
        assert second is BTC


def test_what_else_cannot_be_is_not_known() -> None:
    wrong = replace(BTC, max_leverage=-1.0, funding_interval_h=math.inf, valid_from=2**70)
    assert list(believable([wrong])) == [replace(BTC, max_leverage=None, funding_interval_h=None, valid_from=0)]


@pytest.mark.parametrize("symbol", [None, 5, ["BTC"]])
def test_a_row_without_its_names_is_unreadable(symbol: object) -> None:
    for name in ("symbol", "asset", "quote", "settle"):
        with pytest.raises(TypeError):
            list(believable([replace(BTC, **{name: symbol})]))  # type: ignore[arg-type]  # what a damaged row would make


def test_a_row_with_an_empty_symbol_is_unreadable() -> None:
    with pytest.raises(TypeError):
        list(believable([replace(BTC, symbol="")]))
