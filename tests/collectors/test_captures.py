"""`crossoi decode` over frames of every venue, alone and out of their connection: units, sides, prices, intervals."""

import json

import pytest

from collectors.decode import Decoder
from collectors.venues import VENUES
from tests.collectors.captures import CAPTURES, Capture

EACH = [capture for captures in CAPTURES.values() for capture in captures]


def heard(capture: Capture) -> Decoder:
    decoder = Decoder(VENUES[capture.venue])
    if capture.first is not None:
        assert decoder.read(json.dumps(capture.first))["error"] is None
    return decoder


@pytest.mark.parametrize(
    "capture", [c for c in EACH if c.says is not None], ids=lambda c: f"{c.venue}-{c.about}-{c.transport}"
)
def test_a_frame_says_what_it_says(capture: Capture) -> None:
    said = json.loads(json.dumps(heard(capture).read(json.dumps(capture.line))))
    updates = [{name: value for name, value in row.items() if value is not None} for row in said["updates"]]
    assert {name: value for name, value in (said | {"updates": updates}).items() if value} == capture.says


@pytest.mark.parametrize("capture", [c for c in EACH if c.lists], ids=lambda c: c.venue)
def test_a_catalogue_lists_what_it_lists(capture: Capture) -> None:
    decoder = heard(capture)
    decoder.read(json.dumps(capture.line))
    assert {
        i.symbol: [i.segment, i.asset, i.payoff, i.contract_size, i.live, i.max_leverage]
        for listed in decoder.listed.values()
        for i in listed.values()
    } == capture.lists


def test_every_venue_has_a_capture() -> None:
    assert [id for id, captures in CAPTURES.items() if not captures] == []
