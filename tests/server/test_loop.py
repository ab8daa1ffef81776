"""What a process does with memory it has freed."""

import platform
import subprocess
import sys

import pytest

SHOWN = """
import ctypes
import numpy as np
from server.loop import thrifty

class Told(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in ("arena", "o", "s", "h", "mapped", "us", "fs", "used", "free", "k")]

library = ctypes.CDLL(None)
library.mallinfo2.restype = Told
assert {asked} == bool({asked} and thrifty())
np.ones(2**20)  # freed at once: from then on, as glibc comes, blocks of up to its size are cut from a heap
before = library.mallinfo2().mapped
kept = np.ones(2**19)
print(library.mallinfo2().mapped - before >= 4 * 2**20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other habits")
@pytest.mark.parametrize("asked", [True, False])
def test_large_blocks_go_back_to_the_system_once_we_asked_for_it(asked: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOWN.replace("{asked}", str(asked))], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.strip(), done.stderr) == (str(asked), "")


HOLES = """
import psutil
from server.loop import thrifty, trim

thrifty()
blocks = [bytes(100_000) for _ in range(1000)]
kept = blocks[::50]
del blocks
before = psutil.Process().memory_info().rss
assert trim()
print((before - psutil.Process().memory_info().rss) // 2**20 > 60)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other habits")
def test_what_is_free_between_blocks_in_use_goes_back_too() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("True", "")
