"""`crossoi decode` over a made-up venue: two segments, a positional stream, pages of a catalogue, packed frames."""

import gzip
import json
from base64 import b64encode
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
import pytest

from collectors.decode import decode
from collectors.venue import (
    Acked,
    Answer,
    Ask,
    CatalogueError,
    History,
    Liquidated,
    Message,
    Parse,
    Remembering,
    Said,
    Segment,
    Socket,
    Update,
    Venue,
)  # fmt: skip
from collectors.wire import Stated, inflate, number, wire
from store.records import FeedClass, Field, Instrument, Side, Unit

COINS, DOLLARS = Field("oi", Unit.BASE, 2), Field("oi", Unit.USD, 1)


class Tick(msgspec.Struct):
    symbol: str
    ts: int
    oi: Stated = msgspec.UNSET
    mark: float | None = None
    funding: float | None = None
    affirms: bool = False


class Frame(msgspec.Struct):
    tick: Tick | None = None
    died: Tick | None = None
    places: list[float] | None = None
    ack: int | None = None


class Listing(msgspec.Struct):
    name: str
    hours: float


def unpacked(frame: str | bytes) -> Frame:
    return wire(Frame)(inflate(frame) if isinstance(frame, bytes) else frame)


def segment(id: str, ending: str, field: Field) -> Segment:
    def owns(symbol: str) -> bool:
        return symbol.endswith(ending)

    def make(instruments: Sequence[Instrument], wanted: Collection[str] | None = None) -> Parse:
        def parse(frame: Frame) -> Sequence[Said]:
            if frame.places is not None:
                if len(frame.places) != len(instruments):
                    raise CatalogueError(f"{len(frame.places)} places for {len(instruments)} instruments")
                return [Update(i.symbol, None, oi, field) for i, oi in zip(instruments, frame.places, strict=True)]
            if frame.tick is not None:
                tick = frame.tick
                oi = None if tick.affirms else number(tick.oi)
                return (Update(tick.symbol, tick.ts, oi, field, tick.mark, None, tick.funding, None, tick.affirms),)
            if frame.died is not None:
                died = frame.died
                return (Liquidated(died.symbol, died.ts, Side.LONG, 1.0, field.unit, 2.0, FeedClass.FULL),)
            return () if frame.ack is None else (Acked(frame.ack),)

        return parse

    def subscribe(_: Sequence[Instrument], request: int) -> Iterable[Message]:
        yield {"id": request}

    def read(rows: Sequence[Listing]) -> Iterable[Instrument]:
        return [Instrument("v", id, row.name, row.name, "USD", "USD", funding_interval_h=row.hours) for row in rows]

    def past(rows: Sequence[tuple[int, float]]) -> Sequence[Said]:
        return [Update("", ts, oi, field) for ts, oi in rows]

    gives = frozenset({"oi"})
    return Segment(
        id, Ask(f"https://v.test/{id}/list"), read, owns, decode=wire(list[Listing], "list"),
        feeds=(Socket(f"wss://v.test/ws/{id}", gives, subscribe, Remembering(make), unpacked),),
        history=(
            History(
                lambda i, start, end: Ask(f"https://v.test/past?of={i.symbol}&from={start}&to={end}"), past, gives,
                step=60, limit=10, depth=1, decode=wire(list[tuple[int, float]], "rows"),
            ),
        ),
        answers=(
            Answer(lambda t: [Update(t.symbol, t.ts, number(t.oi), field)], wire(Tick), f"/{id}/now"),
        ),
    )  # fmt: skip


VENUE = Venue(
    "v", "V", "none", "", (COINS, DOLLARS), (segment("coins", "-C", COINS), segment("dollars", "-D", DOLLARS))
)


def decoded(*lines: object) -> list[dict[str, Any]]:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return [json.loads(text) for text in decode(VENUE, texts)]


def ws(frame: object, **more: str) -> dict[str, object]:
    return {
        "raw": frame if isinstance(frame, str) else json.dumps(frame),
        "transport": "ws",
        "encoding": "text",
        **more,
    }


def rest(frame: object, **more: str) -> dict[str, object]:
    return ws(frame, **more) | {"transport": "rest"}


def test_a_frame_in_the_shape_that_was_promised() -> None:
    assert decoded(ws({"tick": {"symbol": "A-C", "ts": 5, "oi": "1.5", "mark": 2, "funding": 0}})) == [
        {
            "updates": [
                {
                    "symbol": "A-C", "ts_ms": 5, "oi_raw": 1.5, "oi_unit": "base", "oi_sides": 2, "mark": 2.0,
                    "index": None, "funding": 0.0, "funding_interval_h": None,
                }
            ],
            "liquidations": [],
            "ignored": False,
            "error": None,
        }
    ]  # fmt: skip


def test_the_symbol_rule_selects_the_segment() -> None:
    (said,) = decoded(ws({"tick": {"symbol": "A-D", "ts": 5, "oi": 0}}))
    (update,) = said["updates"]
    assert (update["oi_raw"], update["oi_unit"], update["oi_sides"]) == (0.0, "usd", 1)


def test_a_url_selects_the_segment_whatever_the_symbol() -> None:
    (said,) = decoded(ws({"tick": {"symbol": "A-C", "ts": 5, "oi": 1}}, url="wss://v.test/ws/dollars"))
    assert said["updates"][0]["oi_unit"] == "usd"


def test_a_symbol_of_neither_segment_is_ignored() -> None:
    (said,) = decoded(ws({"tick": {"symbol": "A-X", "ts": 5, "oi": 1}}))
    assert said == {"updates": [], "liquidations": [], "ignored": True, "error": None}


def test_a_forced_close() -> None:
    (said,) = decoded(ws({"died": {"symbol": "A-D", "ts": 5}}))
    assert said["liquidations"] == [
        {"symbol": "A-D", "ts_ms": 5, "side": "long", "size": 1.0, "size_unit": "usd", "price": 2.0}
    ]
    assert (said["updates"], said["ignored"], said["error"]) == ([], False, None)


def test_an_affirmation_is_of_the_market_and_has_no_open_interest() -> None:
    (said,) = decoded(ws({"tick": {"symbol": "A-C", "ts": 5, "affirms": True}}))
    assert said["updates"][0]["oi_raw"] is said["updates"][0]["oi_unit"] is None
    assert said["ignored"] is False


def test_an_ack_is_ignored() -> None:
    assert decoded(ws({"ack": 1})) == [{"updates": [], "liquidations": [], "ignored": True, "error": None}]


def test_places_need_a_catalogue_which_is_used_from_then_on() -> None:
    places = ws({"places": [1, 2]})
    listing = rest({"list": [{"name": "B-C", "hours": 4}, {"name": "A-C", "hours": 8}]})
    before, listed, after = decoded(places, listing, places)
    assert before == {"updates": [], "liquidations": [], "ignored": False, "error": "no catalogue"}
    assert (listed["ignored"], listed["error"]) == (True, None)
    assert [(u["symbol"], u["oi_raw"]) for u in after["updates"]] == [("B-C", 1.0), ("A-C", 2.0)]


def test_places_that_do_not_fit_the_catalogue_are_an_error() -> None:
    url = "wss://v.test/ws/coins"
    _, said = decoded(rest({"list": [{"name": "B-C", "hours": 4}]}), ws({"places": [1, 2]}, url=url))
    assert said["updates"] == []
    assert "2 places for 1 instruments" in said["error"]


def test_a_catalogue_tells_the_interval_that_a_frame_leaves_out() -> None:
    tick = ws({"tick": {"symbol": "A-C", "ts": 5, "oi": 1, "funding": 0.1}})
    before, _, after = decoded(tick, rest({"list": [{"name": "A-C", "hours": 4}]}), tick)
    assert (before["updates"][0]["funding_interval_h"], after["updates"][0]["funding_interval_h"]) == (None, 4.0)


def test_history_is_named_by_its_url() -> None:
    (said,) = decoded(rest({"rows": [[60, 1], [120, 2]]}, url="https://v.test/past?limit=3&of=A-D&from=0"))
    assert [(u["symbol"], u["ts_ms"], u["oi_raw"], u["oi_unit"]) for u in said["updates"]] == [
        ("A-D", 60, 1.0, "usd"),
        ("A-D", 120, 2.0, "usd"),
    ]
    assert said["error"] is None


def test_history_without_a_url_keeps_its_numbers_and_says_what_is_missing() -> None:
    (said,) = decoded(rest({"rows": [[60, 1]]}))
    assert (said["updates"][0]["symbol"], said["updates"][0]["oi_raw"]) == (None, 1.0)
    assert "names no instrument" in said["error"]


def test_a_row_out_of_its_envelope_is_read_by_an_answer_on_either_transport() -> None:
    row = {"symbol": "A-D", "ts": 5, "oi": "7"}
    for said in decoded(ws(row), rest(row), rest(row, url="https://elsewhere.test/api/dollars/now")):
        assert said["updates"][0]["oi_raw"] == 7.0


def test_packed_frames_are_unpacked_by_the_venue() -> None:
    packed = b64encode(gzip.compress(b'{"tick":{"symbol":"A-C","ts":5,"oi":1}}')).decode()
    (said,) = decoded({"raw": packed, "encoding": "base64", "transport": "ws"})
    assert said["updates"][0]["oi_raw"] == 1.0


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[]",
        '{"transport": "ws"}',
        {"raw": "{}", "encoding": "rot13", "transport": "ws"},
        {"raw": "///", "encoding": "base64", "transport": "ws"},
    ],
)
def test_a_malformed_line_is_an_error_and_the_next_is_read(line: object) -> None:
    wrong, right = decoded(line, ws({"ack": 1}))
    assert wrong["error"].startswith("malformed line")
    assert (wrong["updates"], wrong["ignored"]) == ([], False)
    assert right["ignored"] is True


@pytest.mark.parametrize("frame", ["", "<html>", '{"tick":{"symbol":"A-C"', '{"tick":{"symbol":"A-C","ts":5}}'])
def test_an_unreadable_frame_is_an_error_with_words(frame: str) -> None:
    (said,) = decoded(ws(frame))
    assert said["error"].startswith("unreadable: ")
    assert (said["updates"], said["ignored"]) == ([], False)


def test_blank_lines_are_no_lines() -> None:
    assert decoded("", "  \n") == []


def test_a_url_leads_to_the_answers_of_its_segment_too() -> None:
    row = {"symbol": "A-C", "ts": 5, "oi": "7"}
    (said,) = decoded(rest(row, url="https://v.test/dollars/now"))
    assert (said["updates"][0]["oi_raw"], said["updates"][0]["oi_unit"]) == (7.0, "usd")


def test_a_url_names_the_instrument_of_a_reply_that_we_could_ask_for() -> None:
    coins, _ = VENUE.segments
    said = Answer(
        lambda row: [Update("", None, row[0], COINS)], wire(list[float]), "/now",
        lambda i: Ask(f"https://v.test/{i.symbol}/now"),
    )  # fmt: skip
    segment = Segment("coins", coins.catalogue, coins.read, coins.owns, (), answers=(said,), decode=coins.decode)
    venue = Venue("v", "V", "none", "", (COINS,), (segment,))
    (text,) = decode(venue, [json.dumps(rest([7], url="https://v.test/A-C/now"))])
    (update,) = json.loads(text)["updates"]
    assert (update["symbol"], update["oi_raw"]) == ("A-C", 7.0)
