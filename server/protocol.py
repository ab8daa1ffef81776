"""How our plain tool functions become MCP tools: strict arguments, slim schemas, errors that say what to do next."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, InputRequiredResult, TextContent, ToolAnnotations
from pydantic import ValidationError

from server.tools.house import House, ToolFunction

READ_ONLY = ToolAnnotations(read_only_hint=True, open_world_hint=False, idempotent_hint=True, destructive_hint=False)


def tool(function: ToolFunction, house: House) -> Tool:
    """A tool of a plain function: the first parameter is the house, the rest are arguments, the docstring its words."""
    asked = signature(function, eval_str=True)
    parameters = list(asked.parameters.values())[1:]
    model: Any = asked.return_annotation

    @wraps(function)
    def call(**arguments: Any) -> CallToolResult:
        answer = function(house, **arguments)
        return CallToolResult(
            content=[TextContent(type="text", text=answer.text())],
            structured_content=answer.model_dump(mode="json"),
        )

    call.__signature__ = asked.replace(  # type: ignore[attr-defined]  # how functools.wraps itself passes a signature on
        parameters=[p.replace(kind=Parameter.KEYWORD_ONLY) for p in parameters],
        return_annotation=Annotated[CallToolResult, model],
    )
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    del call.__wrapped__  # type: ignore[attr-defined]  # it would bring the house back into the schema
    made = Tool.from_function(call, title=title(function.__name__), description=words(function), annotations=READ_ONLY)
    arguments = made.fn_metadata.arg_model
    arguments.model_config["extra"] = "forbid"
    arguments.model_rebuild(force=True)
    made.parameters = slim(made.parameters) | {"additionalProperties": False}
    if made.fn_metadata.output_schema is not None:
        made.fn_metadata.output_schema = slim(made.fn_metadata.output_schema)
    return made


def title(name: str) -> str:
    """get_open_interest is "Open interest"."""
    return name.removeprefix("get_").replace("_", " ").capitalize()


def words(function: ToolFunction) -> str:
    """The docstring without its indentation and line ends: tokens are paid for."""
    paragraphs = (function.__doc__ or "").strip().split("\n\n")
    return "\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def slim(schema: Any) -> Any:
    """A schema without pydantic's titles, which only repeat the names. A property called `title` stays."""
    match schema:
        case dict():
            held: dict[str, Any] = schema  # pyright: ignore[reportUnknownVariableType]  # JSON: keys are texts
            return {
                key: (
                    {name: slim(sub) for name, sub in value.items()} if key in ("properties", "$defs") else slim(value)
                )
                for key, value in held.items()
                if not (key == "title" and isinstance(value, str))
            }
        case list():
            items: list[Any] = schema  # pyright: ignore[reportUnknownVariableType]  # JSON
            return [slim(item) for item in items]
        case _:
            return schema


def one_line(wrong: ValidationError, parameters: Sequence[str]) -> str:
    """What is wrong with the arguments, in one line that a model can act on."""
    told: list[str] = []
    for error in wrong.errors(include_url=False):
        name = str(error["loc"][0]) if error["loc"] else "arguments"
        if error["type"] == "extra_forbidden":
            told.append(f"{name}: unknown parameter.{nearest(name, parameters)}")
        elif error["type"] == "missing":
            told.append(f"{name}: required.")
        else:
            choices = [choice.strip("'") for choice in str(error.get("ctx", {}).get("expected", "")).split(" or ")]
            choices = [part.strip().strip("'") for choice in choices for part in choice.split(",")]
            told.append(f"{name}: {error['msg']}, got {error['input']!r}.{nearest(str(error['input']), choices)}")
    return f"Bad arguments. {' '.join(told)} Parameters: {', '.join(parameters) or 'none'}."


def nearest(word: str, known: Sequence[str]) -> str:
    close = get_close_matches(word.lower(), [name for name in known if name], n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(close)}?" if close else ""


class OIServer(MCPServer[None]):
    """The SDK's server with friendlier errors; overriding `call_tool` is the SDK's own way to change them."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[None, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        try:
            return await super().call_tool(name, arguments, context)
        except UnexpectedToolError:
            raise
        except ToolError as failed:
            known = {tool.name: tool for tool in await self.list_tools()}
            if name not in known:
                raise ToolError(
                    f"Unknown tool {name!r}.{nearest(name, list(known))} Tools: {', '.join(known)}."
                ) from None
            if isinstance(failed.__cause__, ValidationError):
                properties: Mapping[str, Any] = known[name].input_schema.get("properties", {})
                raise ToolError(one_line(failed.__cause__, list(properties))) from None
            if isinstance(failed.__cause__, ToolError):
                raise ToolError(str(failed.__cause__)) from None
            raise


INSTRUCTIONS = """\
Use for crypto derivatives' open interest (OI) across exchanges: where leverage and exposure build, whether it is new \
or moved, how concentrated it is, and which positions a price move would liquidate. Data come straight from the venues.
Start with get_open_interest (who holds how much now). get_oi_divergence: venues that move apart. get_concentration: \
fragility. get_liquidation_map: where forced closes cluster. get_chart_value: a metric over time; list_charts finds \
metric ids. get_status: which venues are heard and how old their numbers are: ask it when an answer has warnings.
Units are in the names: _usd, _coins, _pct (per cent change), _share (fraction of 1), _s (seconds). Open \
interest is one-sided: each contract counts once, whatever the venue publishes. Times are UTC. Every answer tells what \
it rests on in `coverage` and `warnings`; `simulated: true` means made-up demo data. An outage is never counted as \
open interest leaving. These are measurements, not predictions or advice."""


def build(functions: Sequence[ToolFunction], house: House, version: str) -> OIServer:
    """The MCP server with these tools."""
    made = [tool(function, house) for function in functions]
    return OIServer(
        "crossoi", title="crossoi", version=version, instructions=INSTRUCTIONS, tools=made, log_level="WARNING"
    )
