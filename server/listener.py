"""One socket on the loopback and the HTTP server on it."""

import errno
import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

GOODBYE_S = 2  # what a listening stream gets to end before it is cut


class PortTakenError(Exception):
    """Another program listens where we should."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one. Raises PortTakenError."""
    try:
        return socket.create_server((host, port), backlog=256)
    except OSError as refused:
        if refused.errno in (errno.EADDRINUSE, errno.EACCES):
            raise PortTakenError(
                f"Port {port} on {host} is taken by another program, or not allowed ({refused})."
            ) from None
        raise


class Quiet(uvicorn.Server):
    """uvicorn without its own signal handlers: who started us also stops us, after the store has been flushed."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def server(app: ASGIApp) -> Quiet:
    """An HTTP server for `app`. Set `should_exit` to end it."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="on", ws="none", timeout_graceful_shutdown=GOODBYE_S
    )
    return Quiet(config)
