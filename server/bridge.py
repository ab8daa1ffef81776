"""`crossoi mcp`: a client's pipe to the daemon, a byte pump that knows nothing of tools.

Every host starts its own copy of this and all copies share one daemon, because only one process may hold the store. The
pump carries both eras of the protocol, progress, listening and cancelling. If the daemon dies it is started anew and
asked once more, which is safe because every tool only reads.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.server.stdio import stdio_server
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
)
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp.types import ErrorData, JSONRPCError, JSONRPCRequest, JSONRPCResponse
from mcp_types import PROTOCOL_VERSION_META_KEY

from server import daemon
from server.daemon import DaemonError
from server.settings import Settings

log = logging.getLogger(__name__)

NOWHERE = "http://127.0.0.1/mcp"  # replaced in every request by where the daemon is at that moment
Where = Callable[[], Awaitable[str]]
LOST = (httpx2.ConnectError, httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError, httpx2.ConnectTimeout)


class Resilient(httpx2.AsyncBaseTransport):
    """HTTP to a daemon that may die, move and come back. Asks `where` it is, and again after a lost connection."""

    def __init__(self, where: Where) -> None:
        self.where = where
        self.wire = httpx2.AsyncHTTPTransport()
        self.known: str | None = None
        self.finding = anyio.Lock()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            url = await self.locate(None)
            try:
                return await self.wire.handle_async_request(aimed(request, url))
            except LOST:
                return await self.wire.handle_async_request(aimed(request, await self.locate(url)))
        except DaemonError as unavailable:
            return refusal(str(unavailable))
        except LOST as lost:
            return refusal(f"The crossoi daemon is not reachable ({lost!r}). Start it with: crossoi serve")

    async def locate(self, lost: str | None) -> str:
        """The daemon's address; found anew if it is still the one that was `lost`. One search at a time."""
        async with self.finding:
            if self.known is None or self.known == lost:
                self.known = None
                self.known = await self.where()
            return self.known

    async def aclose(self) -> None:
        await self.wire.aclose()


def aimed(request: httpx2.Request, url: str) -> httpx2.Request:
    """The same request, to where the daemon is."""
    at = httpx2.URL(url)
    target = at.copy_with(path="/mcp") if at.path in ("", "/") else at
    headers = [(b"host", at.netloc), *((k, v) for k, v in request.headers.raw if k.lower() != b"host")]
    return httpx2.Request(request.method, target, headers=headers, stream=request.stream, extensions=request.extensions)


def refusal(words: str) -> httpx2.Response:
    """An answer that the host shows to its reader: the client's transport passes on a JSON-RPC error of any status."""
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": words}}
    return httpx2.Response(503, headers={"content-type": "application/json"}, content=json.dumps(error).encode())


async def pump(where: Where) -> None:
    """Carry messages between standard input and output and the daemon until either side ends."""
    timeout = httpx2.Timeout(30.0, read=None)  # a listening stream may be silent for hours
    async with (
        httpx2.AsyncClient(transport=Resilient(where), timeout=timeout) as client,
        stdio_server() as (from_host, to_host),
        streamable_http_client(NOWHERE, http_client=client) as (from_daemon, to_daemon),
        # Both write ends are closed on the way out: otherwise their readers wait for ever and we outlive our host.
        to_host,
        to_daemon,
        anyio.create_task_group() as tasks,
    ):
        era = Era()

        async def up() -> None:
            async for said in from_host:
                if isinstance(said, Exception):
                    error = ErrorData(code=-32700, message="Parse error: one JSON-RPC message a line is expected")
                    await to_host.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=None, error=error)))
                else:
                    headers = era.headers(said.message)
                    await to_daemon.send(SessionMessage(said.message, ClientMessageMetadata(headers=headers)))
            tasks.cancel_scope.cancel()

        async def down() -> None:
            async for said in from_daemon:
                if isinstance(said, Exception):
                    log.warning("the daemon said something unreadable: %s", said)
                else:
                    era.hear(said.message)
                    await to_host.send(SessionMessage(said.message))
            tasks.cancel_scope.cancel()

        tasks.start_soon(up)
        tasks.start_soon(down)


class Era:
    """Which revision the host speaks: told in each message since 2026-07-28, agreed on once before that."""

    def __init__(self) -> None:
        self.agreed: str | None = None
        self.asked: Any = None  # the id of the initialize request

    def headers(self, message: Any) -> dict[str, str]:
        params: dict[str, Any] = getattr(message, "params", None) or {}
        method: str | None = getattr(message, "method", None)
        meta: dict[str, Any] = params.get("_meta") or {}
        modern = meta.get(PROTOCOL_VERSION_META_KEY)
        if modern is not None and method is not None:
            headers = {MCP_PROTOCOL_VERSION_HEADER: str(modern), MCP_METHOD_HEADER: method}
            if (name := params.get(NAME_BEARING_METHODS.get(method, ""))) is not None:
                headers[MCP_NAME_HEADER] = encode_header_value(str(name))
            return headers
        if isinstance(message, JSONRPCRequest) and method == "initialize":
            self.asked, self.agreed = message.id, None
        return {} if self.agreed is None else {MCP_PROTOCOL_VERSION_HEADER: self.agreed}

    def hear(self, message: Any) -> None:
        if isinstance(message, JSONRPCResponse) and self.asked is not None and message.id == self.asked:
            self.agreed, self.asked = message.result.get("protocolVersion"), None


async def run(settings: Settings, spawn: bool = True, url: str | None = None) -> None:
    """The bridge's life. `url`: a daemon elsewhere, which we neither look for nor start."""

    async def where() -> str:
        if url is not None:
            return url
        return (await daemon.ensure(settings, spawn and settings.mode == "live")).url

    await pump(where)
