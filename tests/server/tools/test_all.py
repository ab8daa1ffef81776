"""What holds for every tool there is: walked over the registry, through an MCP client in this process.

What a client is told of each tool is kept in tests/server/schemas, so that a changed word shows in review. After a
change that is meant: `RENEW_SCHEMAS=1 .venv/bin/python -m pytest tests/server/tools/test_all.py`, then read the diff.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mcp.client import Client
from mcp.types import CallToolResult, TextContent

from server import protocol
from server.answers import Answer, shown
from server.maps import Maps
from server.tools import TOOLS, House
from store.records import Gap, Health
from tests.server.tools.made import HOUR, NOW, Held, always, linear, market, turned

pytestmark = pytest.mark.anyio

SCHEMAS = Path(__file__).parent.parent / "schemas"
NAMES = [function.__name__ for function in TOOLS]
DETAILED = {
    "get_open_interest": {"by": "instrument"},
    "get_chart_value": {"timeframe": "24h", "detail": "detailed"},
    "get_oi_divergence": {"window": "24h", "detail": "detailed"},
    "get_concentration": {"window": "4h"},
    "get_liquidation_map": {"detail": "detailed"},
    "list_charts": {"detail": "detailed"},
    "get_status": {"venue": "south"},
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Three venues, one of them silent for an hour; numbers with many digits."""
    folder, died = tmp_path_factory.mktemp("market"), NOW - HOUR
    with market(
        folder,
        Held(linear("north"), turned(60_000.123, 66_543.21, NOW - 2 * HOUR), turned(91_234.56, 92_345.67, NOW - HOUR)),
        Held(linear("south"), always(3_333.333_333), always(91_234.56), funding=1e-4, klass="speculative"),
        Held(linear("west"), always(9_999.99), always(91_234.56), end=died),
        said=[
            Gap("west", "linear", "", died, None, "down: no route"),
            *(Health(v, "linear", "", NOW - 5000, "live", NOW - HOUR, NOW, 1.0, 9, 0) for v in ("north", "south")),
            Health("west", "linear", "", NOW - 5000, "down", died, died, 1.0, 9, 0, "no route"),
        ],
        simulated=True,
    ) as known:
        maps = Maps(known.reader, folder, ["BTC"])
        maps.advance(NOW)
        yield replace(known, map_state=maps.state)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("list_charts", "get_status")])
def test_every_answer_says_what_quote_currencies_were_taken_at(house: House, name: str) -> None:
    (function,) = (tool for tool in TOOLS if tool.__name__ == name)
    more = [{"metric_id": "derivatives-oi-by-venue"}] if name == "get_chart_value" else []
    for given in ({}, *more):
        answer = function(replace(house, rates={"USDT": 0.99}), **given)  # type: ignore[arg-type]  # texts of the list
        assert answer.coverage.usd_rates == {"USDT": 0.99}
        assert '"usd_rates":{"USDT":0.99}' in answer.text()


async def asked(house: House, name: str, **arguments: Any) -> CallToolResult:
    async with Client(protocol.build(TOOLS, house, "1.2.3")) as client:
        return await client.call_tool(name, arguments)


async def listed(house: House) -> dict[str, dict[str, Any]]:
    async with Client(protocol.build(TOOLS, house, "1.2.3")) as client:
        return {
            tool.name: tool.model_dump(mode="json", by_alias=True, exclude_none=True)
            for tool in (await client.list_tools()).tools
        }


def text_of(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


async def test_every_tool_keeps_the_promises_of_the_house(house: House) -> None:
    tools = await listed(house)
    assert list(tools) == NAMES
    for name, tool in tools.items():
        assert len(name) <= 40, name
        assert len(tool["description"].encode()) < 2_000, name
        assert tool["annotations"] == {
            "readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False,
        }, name  # fmt: skip
        asks = tool["inputSchema"]
        assert asks["additionalProperties"] is False, name
        assert "required" not in asks, f"{name}: every argument has a default"
        for argument, schema in asks["properties"].items():
            assert schema.get("description"), f"{name}: {argument} is not described"
        for schema in (asks, tool["outputSchema"]):
            assert not [key for key in keys(schema) if key == "title"], name


def keys(schema: Any) -> Iterator[str]:
    """Every key of a schema that is not the name of a property."""
    match schema:
        case dict():
            for key, value in schema.items():
                yield key
                for inner in value.values() if key in ("properties", "$defs") else [value]:
                    yield from keys(inner)
        case list():
            for item in schema:
                yield from keys(item)
        case _:
            pass


async def test_what_clients_are_told_is_what_was_reviewed(house: House) -> None:
    tools = await listed(house)
    told = {"answer": next(iter(tools.values()))["outputSchema"]}  # one shape for all
    for name, tool in tools.items():
        assert tool.pop("outputSchema") == told["answer"], name
        told[name] = tool
    if os.environ.get("RENEW_SCHEMAS"):
        SCHEMAS.mkdir(exist_ok=True)
        for name, words in told.items():
            (SCHEMAS / f"{name}.json").write_text(json.dumps(words, indent=2) + "\n", encoding="utf-8")
    kept = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in SCHEMAS.glob("*.json")}
    assert kept == told, "a tool's words have changed: if that is meant, see the top of this file"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("detailed", [False, True])
async def test_an_answer_fits_its_schema_and_both_halves_say_the_same(house: House, name: str, detailed: bool) -> None:
    result = await asked(house, name, **(DETAILED[name] if detailed else {}))
    assert not result.is_error, text_of(result)
    answer = result.structured_content
    assert answer is not None
    jsonschema.validate(answer, (await listed(house))[name]["outputSchema"])
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    assert answer["simulated"] is True
    assert answer["as_of"].endswith("Z")
    lines = text_of(result).splitlines()
    assert lines[0] == f"SIMULATED DATA. {answer['summary']}"
    assert [f"{key}\t{shown(value)}" for key, value in answer["figures"].items()] == lines[
        2 : 2 + len(answer["figures"])
    ]
    for table in (answer, *answer["tables"].values()):
        assert all(len(row) == len(table["columns"]) for row in table["rows"])
        at = lines.index("\t".join(table["columns"]))
        rows = [line.split("\t") for line in lines[at + 1 : at + 1 + len(table["rows"])]]
        assert rows == [[shown(cell) for cell in row] for row in table["rows"]]
    for words in answer["warnings"]:
        assert f"warning: {words}" in lines
        assert " " in words.strip(), "a code alone tells a reader nothing"
    assert ("truncated: there are more rows" in lines) is answer["truncated"]
    assert f"next: {answer['next']}" in lines


@pytest.mark.parametrize("name", NAMES)
async def test_numbers_have_few_digits_and_shares_are_fractions(house: House, name: str) -> None:
    answer = Answer.model_validate((await asked(house, name, **DETAILED[name])).structured_content)
    for table in (answer, *answer.tables.values()):
        for row in table.rows:
            for column, cell in zip(table.columns, row, strict=True):
                check(f"{name} {column}", cell)
    for figure, cell in answer.figures.items():
        check(f"{name} {figure}", cell)


def check(where: str, cell: object) -> None:
    if isinstance(cell, float):
        assert isfinite(cell), where
        digits = f"{cell:.10g}".split("e")[0].lstrip("-").replace(".", "").lstrip("0")
        assert len(digits) <= (10 if where.endswith(" raw") else 7), f"{where}: {cell}"
    if isinstance(cell, int | float) and not isinstance(cell, bool) and where.endswith("share"):
        assert 0 <= cell <= 1, f"{where}: {cell}"


async def test_concise_answers_are_lean(house: House) -> None:
    """Two thousand tokens are about five thousand characters of such tables; a chart's 200 rows are allowed more."""
    for name in NAMES:
        text = text_of(await asked(house, name))
        assert len(text) < (14_000 if name == "get_chart_value" else 5_000), name


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("get_open_interest", {"asset": "BTX"}, "No venue lists 'BTX'. Did you mean BTC? There is: BTC."),
        ("get_oi_divergence", {"asset": "DOGE-PERP"}, "No venue lists 'DOGE-PERP'. There is: BTC."),
        ("get_open_interest", {"venue": "nrth"}, "'nrth'. Did you mean north? There is: north, south, west."),
        ("get_liquidation_map", {"venue": "nrth"}, "Did you mean north?"),
        ("get_status", {"venue": "nrth"}, "Unknown venue 'nrth'. Did you mean north?"),
        ("get_chart_value", {"metric_id": "derivatives-oi-sout"}, "Did you mean derivatives-oi-south"),
        ("get_chart_value", {"timeframe": "30days"}, "Input should be '24h', '7d', '30d', '90d', '1y' or 'all'"),
        ("get_concentration", {"window": "24"}, "should be '1h', '4h' or '24h', got '24'. Did you mean 24h?"),
        ("get_oi_divergence", {"windw": "1h"}, "windw: unknown parameter. Did you mean window?"),
        ("get_liquidation_map", {"step_usd": -5}, "step_usd: Input should be greater than 0, got -5."),
        ("list_charts", {"serach": "x"}, "serach: unknown parameter. Did you mean search? Parameters: search"),
    ],
)  # fmt: skip
async def test_a_wrong_question_is_an_error_that_says_what_to_ask(
    house: House, name: str, arguments: dict[str, Any], words: str
) -> None:
    result = await asked(house, name, **arguments)
    assert result.is_error
    assert words in text_of(result)
    assert "\n" not in text_of(result)


async def test_an_outage_shows_in_every_tool_that_counts(house: House) -> None:
    for name in ("get_open_interest", "get_chart_value", "get_oi_divergence", "get_concentration"):
        answer = (await asked(house, name)).structured_content
        assert answer is not None
        assert answer["coverage"]["venues_carried"] == ["west"], name
        assert 0 < answer["coverage"]["share"] < 1, name
        assert answer["coverage"]["age_s"]["west"] == 3660, name
        assert "west has been silent for 3660 s" in answer["warnings"][0], name
