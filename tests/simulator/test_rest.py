from datetime import UTC, datetime
from pathlib import Path

import pytest

from simulator.fixed import Fixed
from simulator.rest import Asked, Desk
from simulator.values import Views
from tests.simulator.acme import NOW_MS, REST, loaded


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    script = loaded(tmp_path)
    return Desk(Views(script, Fixed({"acme": script})))


def test_a_catalogue_lists_every_instrument_of_its_segment_in_order(desk: Desk) -> None:
    assert desk.answer(Asked("GET", f"{REST}/list", {}), NOW_MS) == (True, ["BTC-P", "kPEPE-P", "BTC-D", "OLD-P"])


@pytest.mark.parametrize(
    ("symbol", "contracts"),
    # 100 BTC in contracts of 1 BTC; 5,000,000 PEPE are 5,000 kPEPE, 500 contracts of 10; 20 BTC at 50,000 in 100 USD
    [("BTC-P", 100.0), ("kPEPE-P", 500.0), ("BTC-I", 10_000.0)],
)
def test_the_query_picks_the_instrument(desk: Desk, symbol: str, contracts: float) -> None:
    want = {"oi": pytest.approx(contracts), "asked": symbol}
    assert desk.answer(Asked("GET", f"{REST}/oi", {"symbol": symbol, "more": "x"}), NOW_MS) == (True, want)


def test_the_address_may_pick_it_too(desk: Desk) -> None:
    assert desk.answer(Asked("GET", f"{REST}/of/BTC-I/oi", {}), NOW_MS) == (True, 10_000.0)
    assert desk.answer(Asked("GET", f"{REST}/of/BTC-P/oi", {}), NOW_MS) == (False, None)


def test_a_body_is_matched_and_prices_are_for_the_venues_own_unit(desk: Desk) -> None:
    asked = Asked("POST", f"{REST}/info", {}, {"type": "marks", "dex": ""})
    assert desk.answer(asked, NOW_MS) == (True, {"BTC-P": "60000.0000", "kPEPE-P": "12.5000"})


@pytest.mark.parametrize(
    "asked",
    [
        Asked("POST", f"{REST}/info", {}, {"type": "other"}),
        Asked("POST", f"{REST}/info", {}, None),
        Asked("GET", f"{REST}/info", {}),
        Asked("GET", f"{REST}/oi", {}),
        Asked("GET", f"{REST}/oi", {"symbol": "NOPE"}),
    ],
)
def test_what_no_route_means_is_not_answered(desk: Desk, asked: Asked) -> None:
    assert desk.answer(asked, NOW_MS) == (False, None)


NOW_S = NOW_MS // 1000


@pytest.mark.parametrize(
    ("query", "points"),
    [
        ({"from": str(NOW_S - 900), "to": str(NOW_S - 600)}, [NOW_S - 900, NOW_S - 600]),
        ({"from": str(NOW_S - 3600)}, [NOW_S - 3600, NOW_S - 3300, NOW_S - 3000]),
        ({}, [NOW_S - 600, NOW_S - 300, NOW_S]),
        ({"n": "2"}, [NOW_S - 300, NOW_S]),
        ({"n": "500"}, [NOW_S - 600, NOW_S - 300, NOW_S]),
        ({"from": str(NOW_S - 300), "to": str(NOW_S + 9000)}, [NOW_S - 300, NOW_S]),
    ],
    ids=["both ends", "limited", "newest", "fewer", "no more than the limit", "never the future"],
)
def test_history_covers_what_was_asked_oldest_first(desk: Desk, query: dict[str, str], points: list[int]) -> None:
    asked = Asked("GET", f"{REST}/past", {"symbol": "BTC-P", **query})
    assert desk.answer(asked, NOW_MS) == (True, points)


def test_history_may_be_asked_for_by_the_clock_on_the_wall(desk: Desk) -> None:
    said = [datetime.fromtimestamp(NOW_S - n, UTC).isoformat().replace("+00:00", "Z") for n in (600, 300)]
    plain = {"symbol": "BTC-P", "from": str(NOW_S - 600), "to": str(NOW_S - 300)}
    asked = [Asked("GET", f"{REST}/past", q) for q in (plain, {**plain, "from": said[0], "to": said[1]})]
    assert desk.answer(asked[1], NOW_MS) == desk.answer(asked[0], NOW_MS) == (True, [NOW_S - 600, NOW_S - 300])


def test_funding_was_paid_as_often_as_the_contract_pays_it(desk: Desk) -> None:
    eight = 8 * 3_600_000
    last = NOW_MS // eight * eight
    found = desk.answer(Asked("GET", f"{REST}/paid", {"symbol": "BTC-P"}), NOW_MS)
    assert found == (True, [last, last - eight, last - 2 * eight])


def test_history_newest_first_with_ends_left_out(desk: Desk) -> None:
    asked = Asked("GET", f"{REST}/newest", {"symbol": "BTC-P", "end": str(NOW_MS - 300_000)})
    fits, points = desk.answer(asked, NOW_MS)
    assert (fits, points) == (True, [NOW_MS - n * 300_000 for n in (2, 3, 4)])
