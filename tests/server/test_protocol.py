from typing import Annotated, Literal, cast

import pytest
from mcp.client import Client
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import TextContent
from pydantic import Field

from server import protocol
from server.answers import Answer, Coverage
from server.protocol import OIServer
from server.tools.house import House
from store.reader import Reader

pytestmark = pytest.mark.anyio


def house(simulated: bool = False) -> House:
    return House(reader=cast(Reader, None), simulated=simulated, version="1", started=0, now=lambda: 1_000)


def get_echo(
    house: House,
    asset: Annotated[str, Field(description="Coin")] = "BTC",
    window: Literal["24h", "7d", "30d"] = "24h",
    limit: Annotated[int, Field(ge=1, le=50)] = 10,
) -> Answer:
    """Repeat what was asked.

    Use it to see
    what arrives.
    """
    if asset == "NONE":
        raise ToolError("No data for NONE. Ask get_status.")
    if asset == "BUG":
        raise ZeroDivisionError("secret words")
    return Answer(
        summary=f"{asset} over {window}",
        as_of="1970-01-01T00:00:01Z",
        simulated=house.simulated,
        asset=asset,
        columns=["venue", "oi_usd"],
        rows=[["one", 1.5], ["two", None]],
        coverage=Coverage(venues_ok=["one"], venues_missing=["two"]),
        warnings=[f"limit is {limit}"],
        next="get_status",
    )


def server(simulated: bool = False) -> OIServer:
    return protocol.build([get_echo], house(simulated), "1.2.3")


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_both_halves_of_an_answer_are_complete_in_both_eras(mode: str) -> None:
    async with Client(server(simulated=True), mode=mode) as client:
        result = await client.call_tool("get_echo", {"asset": "ETH", "limit": 3})
    assert not result.is_error
    structured = result.structured_content
    assert structured is not None
    assert structured["rows"] == [["one", 1.5], ["two", None]]
    assert (structured["summary"], structured["simulated"], structured["warnings"]) == (
        "ETH over 24h",
        True,
        ["limit is 3"],
    )
    block = result.content[0]
    assert isinstance(block, TextContent)
    assert block.text.splitlines() == [
        "SIMULATED DATA. ETH over 24h",
        "as of 1970-01-01T00:00:01Z",
        "venue\toi_usd",
        "one\t1.5",
        "two\t-",
        'coverage: {"venues_ok":["one"],"venues_missing":["two"]}',
        "warning: limit is 3",
        "next: get_status",
    ]


async def test_a_tool_is_listed_with_slim_schemas_and_its_docstring() -> None:
    async with Client(server()) as client:
        (tool,) = (await client.list_tools()).tools
    assert (tool.name, tool.title) == ("get_echo", "Echo")
    assert tool.description == "Repeat what was asked.\nUse it to see what arrives."
    assert tool.input_schema == {
        "type": "object",
        "properties": {
            "asset": {"default": "BTC", "description": "Coin", "type": "string"},
            "window": {"default": "24h", "enum": ["24h", "7d", "30d"], "type": "string"},
            "limit": {"default": 10, "maximum": 50, "minimum": 1, "type": "integer"},
        },
        "additionalProperties": False,
    }
    assert tool.output_schema is not None
    assert "title" not in str(tool.output_schema)
    assert tool.annotations is not None
    assert (tool.annotations.read_only_hint, tool.annotations.open_world_hint) == (True, False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"asett": "BTC"},
            "Bad arguments. asett: unknown parameter. Did you mean asset? Parameters: asset, window, limit.",
        ),
        ({"window": "24"}, "window: Input should be '24h', '7d' or '30d', got '24'. Did you mean 24h?"),
        ({"limit": 99}, "limit: Input should be less than or equal to 50, got 99."),
        ({"limit": "x"}, "limit: Input should be a valid integer"),
        ({"asset": "NONE"}, "No data for NONE. Ask get_status."),
    ],
)
async def test_a_wrong_call_is_told_in_one_line_with_a_way_onward(arguments: dict[str, object], words: str) -> None:
    async with Client(server()) as client:
        result = await client.call_tool("get_echo", arguments)
    assert result.is_error
    block = result.content[0]
    assert isinstance(block, TextContent)
    assert words in block.text
    assert "\n" not in block.text
    assert "Error executing" not in block.text


async def test_an_unknown_tool_names_the_nearest() -> None:
    async with Client(server()) as client:
        result = await client.call_tool("get_ecko", {})
    assert result.is_error
    assert result.content[0].model_dump()["text"] == "Unknown tool 'get_ecko'. Did you mean get_echo? Tools: get_echo."


async def test_a_bug_tells_nothing_of_itself() -> None:
    async with Client(server()) as client:
        result = await client.call_tool("get_echo", {"asset": "BUG"})
    assert result.is_error
    assert "secret" not in str(result.content)


async def test_the_instructions_fit_what_hosts_show() -> None:
    assert len(protocol.INSTRUCTIONS) < 2_000
