"""What the command line asks of a running daemon, over REST."""

from typing import Any

import httpx2

from server.daemon import DaemonError, running
from server.settings import Settings


async def ask_daemon(settings: Settings, question: str) -> tuple[str, dict[str, Any]]:
    """The daemon's address and its answer to /api/v1/<question>. Raises DaemonError if it does not run."""
    daemon = await running(settings)
    if daemon is None:
        command = "crossoi demo" if settings.mode == "demo" else "crossoi serve"
        raise DaemonError(f"The crossoi {settings.mode} daemon is not running. Start it with: {command}")
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
        reply = await client.get(f"{daemon.url}/api/v1/{question}")
    if reply.status_code != 200:
        raise DaemonError(f"The daemon at {daemon.url} answered {reply.status_code}: {reply.text[:300]}")
    return daemon.url, reply.json()
