"""What the clock runs in this house, and when."""

from collections.abc import Sequence

from server.clock import Job
from server.settings import Settings
from store.reader import Reader
from store.writer import Writer


def jobs(settings: Settings, writer: Writer, reader: Reader) -> Sequence[Job]:
    return ()
