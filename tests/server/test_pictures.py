"""Pictures hold what their answers hold, and the page asks for nothing that is not served."""

import re
from collections.abc import Generator
from dataclasses import replace
from urllib.parse import quote
from xml.etree import ElementTree as ET

import httpx2
import pytest

from server import protocol
from server.answers import Answer, Coverage
from server.maps import Maps
from server.page import add_page
from server.pictures import PICTURES, TOP, WIDTH, level, liquidations, refusal, shares, ticks, unit_of
from server.rest import add_routes
from server.tools import TOOLS, House
from store.records import Gap
from tests.server.tools.made import HOUR, NOW, Held, always, linear, market, turned

pytestmark = pytest.mark.anyio
SVG = "{http://www.w3.org/2000/svg}"


def answer(columns: list[str], rows: list[list[object]], **figures: object) -> Answer:
    told = {
        "summary": "", "as_of": "2026-11-22T00:00:00Z", "simulated": True, "asset": "BTC", "columns": columns,
        "rows": rows, "figures": figures,
        "coverage": Coverage(share=0.9, grade="B", venues_ok=["a", "b"], venues_carried=["c"],
                             age_s={"a": 1.0, "b": 12.0, "c": 500.0}),
    }  # fmt: skip
    return Answer.model_validate(told)


def parsed(words: str) -> ET.Element:
    return ET.fromstring(words)  # our own text


def said(root: ET.Element) -> list[str]:
    return [e.text or "" for e in root.iter(f"{SVG}text")]


def of_kind(root: ET.Element, tag: str, kind: str) -> list[ET.Element]:
    return [e for e in root.iter(f"{SVG}{tag}") if e.get("class") == kind]


def places(line: ET.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", str(line.get("d")))]


LEVEL = answer(
    ["t", "oi_usd", "oi_coins", "carried_usd", "band_usd", "price_usd", "coverage_share"],
    [
        ["2026-11-21T00:00:00Z", 10e9, 1, 0, 0, 1, 1],
        ["2026-11-21T12:00:00Z", 12e9, 1, 0, 0, 1, 1],
        ["2026-11-22T00:00:00Z", 11e9, 1, 3e9, 5e8, 1, 0.7],
    ],
    timeframe="24h",
)  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (9.7e9, 12.3e9, [1e10, 1.1e10, 1.2e10]),
        (-3, 7, [-2, 0, 2, 4, 6]),
        (5, 5, [5]),
    ],
)  # fmt: skip
def test_axes_have_round_numbers(low: float, high: float, told: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(told)


def test_money_is_written_in_its_own_size() -> None:
    assert [unit_of(x) for x in (3e10, 2e6, 1500, 12, 0)] == [
        (1e9, "bn USD"), (1e6, "M USD"), (1e3, "k USD"), (1.0, "USD"), (1.0, "USD"),
    ]  # fmt: skip


def test_a_level_is_a_line_with_its_band_and_the_time_that_was_not_heard() -> None:
    root = parsed(level(LEVEL))
    [line] = of_kind(root, "path", "l")
    (x0, y0), (x1, y1), (x2, y2) = places(line)
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert (y0 - y1) == pytest.approx(2 * (y2 - y1), abs=0.3), "twelve lies twice as far above ten as above eleven"
    [band] = of_kind(root, "path", "u")
    upper, lower = places(band)[2], places(band)[3]
    assert lower[1] - upper[1] == pytest.approx((y0 - y1) / 2, abs=0.3), "one billion wide at the end"
    assert len(of_kind(root, "rect", "c")) == 1
    words = said(root)
    assert words[0] == "BTC open interest, all exchanges, 24h"
    assert words[1] == (
        "as of 2026-11-22T00:00:00Z; coverage 90%, grade B; oldest of 2 fresh venues 12 s; 1 of 3 venues at last values"
    )
    assert words[2] == "band: one sd of what was not fresh; now at last values: c"
    assert {"SIMULATED", "time, UTC", "bn USD, one-sided; the axis does not begin at zero", "11", "12:00"} <= set(words)


def test_a_band_that_is_not_known_is_not_drawn() -> None:
    rows = [[*row[:4], None if k else 0, *row[5:]] for k, row in enumerate(LEVEL.rows)]
    root = parsed(level(LEVEL.model_copy(update={"rows": rows})))
    [band] = of_kind(root, "path", "u")
    assert len(places(band)) == 2, "of the one point of which it is known"
    assert "band:" not in said(root)[2]


def test_words_beside_a_bar_end_inside_the_picture() -> None:
    columns = ["venue", "oi_usd", "share", "state", "sides_disputed"]
    root = parsed(shares(answer(columns, [["hyperliquid", 5.55e9, 0.5, "carried", True]])))
    [words] = [e for e in root.iter() if e.tag.endswith("text") and "disputed" in (e.text or "")]
    assert float(words.attrib["x"]) + 6.4 * len(words.text or "") <= WIDTH, "6.4 px a letter, as a browser drew them"


def test_shares_are_bars_of_their_length_and_last_values_are_pale() -> None:
    told = answer(
        ["venue", "oi_usd", "share", "state", "sides_disputed"],
        [["a", 6e9, 0.6, "fresh", False], ["b", 3e9, 0.3, "fresh", True], ["c<i>", 1e9, 0.1, "carried", False]],
    )
    root = parsed(shares(told))
    wide = [float(str(e.get("width"))) for e in of_kind(root, "rect", "v")]
    assert wide == pytest.approx([wide[0], wide[0] / 2], rel=1e-3)
    [pale] = of_kind(root, "rect", "b")
    assert float(str(pale.get("width"))) == pytest.approx(wide[0] / 6, rel=1e-2)
    assert {"60.0%  6 bn USD", "30.0%  3 bn USD, sides disputed", "10.0%  1 bn USD, carried", "c<i>"} <= set(said(root))


def test_a_map_has_longs_below_the_mark_and_shorts_above_with_their_band() -> None:
    names = ["price_low", "price_high", "long_usd", "short_usd", "long_p10_usd", "long_p90_usd", "short_p10_usd",
             "short_p90_usd"]  # fmt: skip
    told = answer(
        names,
        [
            [90.0, 95.0, 4e6, 0, 1e6, 8e6, 0, 0],
            [95.0, 100.0, 2e6, 0, 1e6, 3e6, 0, 0],
            [100.0, 105.0, 0, 6e6, 0, 0, 5e6, 8e6],
        ],
        mark_usd=100.0, status="unvalidated", age_s=31.0,
    )  # fmt: skip
    root = parsed(liquidations(told))
    longs, shorts = of_kind(root, "rect", "v"), of_kind(root, "rect", "s")
    heights = [float(str(e.get("height"))) for e in (*longs, *shorts)]
    assert heights == pytest.approx([heights[0], heights[0] / 2, heights[0] * 1.5], abs=0.2)
    [mark] = of_kind(root, "line", "m")
    assert max(float(str(e.get("x"))) + float(str(e.get("width"))) for e in longs) <= float(str(mark.get("x1")))
    assert min(float(str(e.get("x"))) for e in shorts) >= float(str(mark.get("x1"))) - 0.1
    [band] = of_kind(root, "path", "b")
    assert min(y for _, y in places(band)) == pytest.approx(TOP, abs=0.1), "the 90th percentile is the highest of all"
    assert said(root)[2] == "would be force-closed if the mark traded there: modelled, unvalidated; map 31 s old"
    assert any("price, USD" in words for words in said(root))


def test_every_picture_says_what_it_is_to_who_cannot_see_it() -> None:
    root = parsed(level(LEVEL))
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "t d")
    assert root.findtext(f"{SVG}title") == "BTC open interest, all exchanges, 24h"
    assert str(root.findtext(f"{SVG}desc")).startswith("SIMULATED, a made-up market. as of 2026-11-22")
    real = parsed(level(LEVEL.model_copy(update={"simulated": False})))
    assert "SIMULATED" not in " ".join([*said(real), str(real.findtext(f"{SVG}desc"))])


def test_one_point_and_a_refusal_are_a_sentence() -> None:
    one = level(LEVEL.model_copy(update={"rows": LEVEL.rows[:1]}))
    assert any("fewer than two points are known" in words for words in said(parsed(one)))
    assert "".join(said(parsed(refusal("x" * 120 + "<b>")))[3:]) == "x" * 120 + "<b>"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    folder, died = tmp_path_factory.mktemp("drawn"), NOW - HOUR
    with market(
        folder,
        Held(linear("north"), turned(60_000.0, 66_000.0, NOW - 2 * HOUR), turned(91_000.0, 92_000.0, NOW - HOUR)),
        Held(linear("west"), always(10_000.0), always(91_000.0), end=died),
        said=[Gap("west", "linear", "", died, None, "down")],
        simulated=True,
    ) as known:
        maps = Maps(known.reader, folder, ["BTC"])
        maps.advance(NOW)
        yield replace(known, map_state=maps.state)


def client(house: House) -> httpx2.AsyncClient:
    server = protocol.build(TOOLS, house, "1")
    add_routes(server, [tool.__name__ for tool in TOOLS], {"version": "1", "mode": "demo", "assets": ["BTC"]})
    add_page(server)
    transport = httpx2.ASGITransport(app=server.streamable_http_app())
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8787")


@pytest.mark.parametrize("name", PICTURES)
async def test_a_picture_is_served_of_the_tools_answer(house: House, name: str) -> None:
    async with client(house) as asking:
        reply = await asking.get(f"/picture/{name}.svg?asset=btc-perp&again=7")
        wrong = await asking.get(f"/picture/{name}.svg?asset=XYZ")
        odd = await asking.get(f"/picture/{name}.svg?colour=red")
        foreign = await asking.get(f"/picture/{name}.svg", headers={"host": "elsewhere.example"})
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/svg+xml")
    assert reply.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    root = parsed(reply.text)
    assert "SIMULATED" in said(root)
    assert "BTC" in said(root)[0]
    assert "coverage" in said(root)[1]
    assert not re.search(r"[\" ](nan|inf)[\" ]", reply.text)
    assert wrong.status_code == odd.status_code == 400
    assert "No venue lists 'XYZ'" in " ".join(said(parsed(wrong.text)))
    assert "colour: unknown parameter" in " ".join(said(parsed(odd.text)))
    assert foreign.status_code == 421


async def test_all_that_the_page_asks_for_is_served(house: House) -> None:
    async with client(house) as asking:
        first = await asking.get("/")
        assert "img-src 'self'" in first.headers["content-security-policy"]
        page, script = first.text, (await asking.get("/page.js")).text
        paths = set(re.findall(r'data-path="([^"]+)"', page)) | set(
            re.findall(r"[\"'`(](/api/v1/[a-z/-]+)", page + script)
        )
        pictures = re.findall(r"^  \"?([a-z-]+)\"?: \[\[", script, re.MULTILINE)
        assert len(paths) >= 4
        assert sorted(pictures) == sorted(PICTURES)
        for path in paths:
            assert (await asking.get(f"{path}?asset=BTC" if "status" not in path else path)).status_code == 200, path
        spans = re.findall(
            r"<option(?: selected)?>(\w+)", page.partition('id="timeframe"')[2].partition("</select>")[0]
        )
        assert spans == ["24h", "7d", "30d", "90d", "1y"]
        for span in spans:
            reply = await asking.get(f"/picture/open-interest.svg?asset={quote('BTC')}&timeframe={span}")
            assert (reply.status_code, span in reply.text) == (200, True)
    for name in (*PICTURES, "timeframe", "table", "summary", "simulated"):
        assert f'id="{name}"' in page
    wanted = {key for keys in re.findall(r": \[\[([^\]]+)\]", script) for key in re.findall(r'"(\w+)"', keys)}
    assert wanted == {"asset", "timeframe"}
    assert page.count("<img") == page.count('alt=""') == 3, "the script says what each one shows"
