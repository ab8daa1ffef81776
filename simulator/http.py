"""As much of an HTTP server as a venue's REST interface needs: GET and POST with JSON, on the loopback."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

import anyio
import msgspec
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

log = logging.getLogger(__name__)

MAX_HEAD, MAX_BODY = 65_536, 2**20


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: bytes as they are, anything else as JSON. Status 0: none, the connection is cut."""

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


Answers = Callable[[str, str, Mapping[str, str], object], Awaitable[Reply]]  # method, path, query, body


@asynccontextmanager
async def serve_http(answers: Answers) -> AsyncIterator[int]:
    """Answers until the block ends; gives the port."""
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, lambda stream: converse(stream, answers))
        yield listener.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


async def converse(stream: SocketStream, answers: Answers) -> None:
    """One connection, kept alive until the client leaves."""
    async with stream:
        heard = BufferedByteReceiveStream(stream)
        try:
            while await exchange_one(heard, stream, answers):
                pass
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.DelimiterNotFound):
            return


async def exchange_one(heard: BufferedByteReceiveStream, stream: SocketStream, answers: Answers) -> bool:
    """One question and its answer; whether another may follow."""
    head = (await heard.receive_until(b"\r\n\r\n", MAX_HEAD)).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", "0"))
    if length > MAX_BODY:
        return False
    body = await heard.receive_exactly(length) if length else b""
    parts = urlsplit(target)
    try:
        asked = msgspec.json.decode(body) if body else None
    except msgspec.DecodeError:
        asked = body.decode(errors="replace")
    reply = await answers(method, unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True)), asked)
    if reply.status == 0:
        return False
    await stream.send(spelled(reply))
    return headers.get("connection", "").lower() != "close"


def spelled(reply: Reply) -> bytes:
    raw = isinstance(reply.body, bytes)
    body = reply.body if isinstance(reply.body, bytes) else msgspec.json.encode(reply.body)
    headers = {
        "Content-Type": "text/html" if raw else "application/json",
        "Content-Length": str(len(body)),
        "Date": formatdate(usegmt=True),  # by which whoever asks can tell how far clocks are apart
        **reply.headers,
    }
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
