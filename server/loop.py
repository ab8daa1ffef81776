"""The event loop we run on: uvloop where there is one (a third faster with a single connection)."""

import ctypes
import sys
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any

import anyio

MIB = 2**20
# Parameters of glibc's mallopt(3), by their numbers in malloc.h. As it comes, glibc gives every thread a heap of its
# own and keeps in it what was freed: answers of many MiB leave holes there, which grew by 28 MiB a minute under load.
THRIFT = {
    -8: 2,  # M_ARENA_MAX: heaps
    -3: MIB,  # M_MMAP_THRESHOLD: larger blocks are the system's own and go back to it at once
    -1: 4 * MIB,  # M_TRIM_THRESHOLD: of free memory at a heap's end
}


def run(work: Callable[..., Awaitable[None]], *args: Any) -> None:
    """Run the daemon's work to its end, in a process that gives back what it has freed."""
    thrifty()
    anyio.run(work, *args, backend_options={"use_uvloop": find_spec("uvloop") is not None})


def thrifty() -> bool:
    """Whether the C library could be told to give memory back. To be called before there are threads."""
    mallopt = of_glibc("mallopt")
    return mallopt is not None and all(mallopt(name, value) == 1 for name, value in THRIFT.items())


def trim() -> bool:
    """Give back what is free between blocks in use too, such as what the hour's work has left. Whether any was."""
    malloc_trim = of_glibc("malloc_trim")
    return malloc_trim is not None and malloc_trim(0) == 1


def of_glibc(name: str) -> Callable[..., int] | None:
    """A function of the C library, where it has it."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
