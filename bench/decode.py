"""Frame text to records, against the same frames through bare typed structs.

A venue's feeds count by how often their frames come: the times are those of a mean second of all of them. The first
quarter of the frames is not timed: three readings confirm an instrument's level, once in a run.
"""

from collections.abc import Callable, Sequence
from math import exp, log

from bench.figures import Figure, fastest
from bench.frames import Feed, feeds
from collectors.venue import Update

Apply = Callable[..., object]
FRAMES, WARM, ROUNDS = 800, 200, 40
WANTED = 0.35


def run() -> list[Figure]:
    times: dict[str, list[tuple[float, float, float]]] = {}
    for feed in feeds(FRAMES):
        times.setdefault(feed.venue.id, []).append((feed.rate, *timed(feed)))
    figures = []
    for venue, rows in times.items():
        often = sum(rate for rate, _, _ in rows) * (FRAMES - WARM)
        floor = sum(rate * bare for rate, bare, _ in rows) / often * 1e6
        ours = sum(rate * whole for rate, _, whole in rows) / often * 1e6
        figures.append(Figure("decode", venue, floor / ours, "of the floor", None, "higher", floor, ours, "us a frame"))
    mean = exp(sum(log(f.value) for f in figures) / len(figures))
    return [*figures, Figure("decode", "geometric mean", mean, "of the floor", WANTED, "higher")]


def timed(feed: Feed) -> tuple[float, float]:
    """Seconds for all timed frames bare and to records: each the fastest of several rounds, taken in turns."""
    decode, parse, bare = feed.decode, feed.parse, feed.bare
    warm, timed = (list(zip(feed.frames, feed.seen, strict=True))[part] for part in (slice(WARM), slice(WARM, None)))

    def floor() -> None:
        for frame, _ in timed:
            bare(frame)

    def ours(apply: Apply, played: Sequence[tuple[bytes, int]] = timed) -> int:
        made = 0
        for frame, at in played:
            for said in parse(decode(frame)):
                if said.__class__ is Update and apply(said, at) is not None:
                    made += 1
        return made

    if ours(feed.board().apply) == 0 and "oi" in feed.gives and "mark" in feed.gives:
        raise AssertionError(f"{feed.venue.id}: {len(timed)} frames made no record")
    pairs: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        apply = feed.board().apply  # a new one: frames played twice are late, and that is another path
        ours(apply, warm)
        pairs.append((fastest(floor, 1), fastest(lambda apply=apply: ours(apply), 1)))
    return min(p[0] for p in pairs), min(p[1] for p in pairs)
