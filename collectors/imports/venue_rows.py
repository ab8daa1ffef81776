"""Rows that only a venue's own file understands: handed to every venue that says so, as in `crossoi decode`."""

from collections.abc import Mapping, Sequence

from collectors.connection import UNREADABLE
from collectors.imports.book import Book, Format, Refused, Target
from collectors.venue import Ratio, Update


def reading(
    format: Format, rows: Sequence[Mapping[str, str]], book: Book, targets: dict[str, Target], resolution_s: float
) -> list[tuple[Target, Update | Ratio]]:
    """What the venues read in these rows; nothing where the rows are of no venue of ours. Raises Refused."""
    found: list[tuple[Target, Update | Ratio]] = []
    for venue in book.venues.values():
        for segment in venue.segments:
            for archive in segment.archives:
                if archive.format != format or archive.rows is None:
                    continue
                try:
                    said = list(archive.rows(rows))
                except UNREADABLE as fault:
                    raise Refused(str(fault)) from None
                for word in said:
                    if isinstance(word, Update | Ratio):
                        key = f"{venue.id}|{segment.id}|{word.symbol}"
                        if key not in targets:
                            known = book.find(venue.id, segment.id, word.symbol)
                            stated = word.field if isinstance(word, Update) else archive.field
                            targets[key] = Target(known, stated, archive, resolution_s, book.sizes)
                        found.append((targets[key], word))
    return found
