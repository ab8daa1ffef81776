"""/api/v1 and /health: the same answers as the tools', over plain HTTP."""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from mcp.types import CallToolResult
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.protocol import OIServer

log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]
Arguments = Callable[[Request], dict[str, Any]]

# The SDK guards /mcp by these; our own routes want the same, or a page elsewhere could read them by rebinding its name.
SECURITY = TransportSecuritySettings(
    allowed_hosts=["127.0.0.1:*", "localhost:*"],
    allowed_origins=["http://127.0.0.1:*", "http://localhost:*"],
)
DAYS = {"1": "24h", "7": "7d", "30": "30d", "90": "90d", "365": "1y"}


def guarded(handler: Handler) -> Handler:
    """The handler, but not for a foreign Host (421) or Origin (403)."""
    gate = TransportSecurityMiddleware(SECURITY)

    async def pass_on(request: Request) -> Response:
        return await gate.validate_request(request) or await handler(request)

    return pass_on


def by_query(request: Request) -> dict[str, Any]:
    """The query as arguments; checked as strictly as a tool's."""
    return dict(request.query_params)


def chart_arguments(request: Request) -> dict[str, Any]:
    """`/exchange-intelligence/{metric_id}/history?days=90` in the words of get_chart_value."""
    asked: dict[str, Any] = {**request.query_params, "metric_id": request.path_params["metric_id"]}
    if (days := asked.pop("days", None)) is not None:
        if days not in DAYS:
            raise ToolError(f"Bad arguments. days: {days!r} is not served. Valid: {', '.join(DAYS)}; or timeframe=all.")
        asked["timeframe"] = DAYS[days]
    return asked


ROUTES: Mapping[str, tuple[str, Arguments]] = {
    "/api/v1/status": ("get_status", by_query),
    "/api/v1/open-interest": ("get_open_interest", by_query),
    "/api/v1/charts": ("list_charts", by_query),
    "/api/v1/liquidation-map": ("get_liquidation_map", by_query),
    "/api/v1/exchange-intelligence/{metric_id}/history": ("get_chart_value", chart_arguments),
}


async def asked_of(server: OIServer, tool: str, path: str, arguments: Callable[[], dict[str, Any]]) -> tuple[Any, int]:
    """(structured content, 200) of a tool, or (a sentence, 400 where the asker can mend it or 500 where not)."""
    try:
        result = await server.call_tool(tool, arguments())
    except UnexpectedToolError:
        log.exception("%s", path)
        return f"{tool} failed; the daemon's log has the details.", 500
    except ToolError as wrong:
        return str(wrong), 400
    assert isinstance(result, CallToolResult)  # our tools never ask the client for input
    return result.structured_content, 200


def answering(server: OIServer, tool: str, arguments: Arguments) -> Handler:
    async def handle(request: Request) -> Response:
        content, status = await asked_of(server, tool, request.url.path, lambda: arguments(request))
        return JSONResponse(content if status == 200 else {"error": content}, status_code=status)

    return handle


def add_routes(server: OIServer, tools: Collection[str], health: Mapping[str, object]) -> None:
    """Everything but MCP and the page. A route whose tool is not among `tools` is left out."""

    async def healthy(_: Request) -> Response:
        return JSONResponse(dict(health))

    server.custom_route("/health", methods=["GET"])(guarded(healthy))
    for path, (tool, arguments) in ROUTES.items():
        if tool in tools:
            server.custom_route(path, methods=["GET"])(guarded(answering(server, tool, arguments)))
