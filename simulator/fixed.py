"""The market of the scripts' own `expect`: one fixed moment, whatever the time."""

from collections.abc import Mapping, Sequence

from simulator.quotes import Forced, Quote
from simulator.script import Script


class Fixed:
    """Fulfils `Quotes` with the figures that scripts expect something of."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self.figures = {
            (venue, symbol): figures.quote()
            for venue, script in scripts.items()
            for symbol, figures in script.expect.quotes.items()
        }
        self.closes = {
            (venue, symbol): sorted(
                (c.forced() for c in script.expect.forced if c.symbol == symbol), key=lambda f: f.ts_ms
            )
            for venue, script in scripts.items()
            for symbol in {c.symbol for c in script.expect.forced}
        }

    def quote(self, venue: str, segment: str, symbol: str, now_ms: int) -> Quote | None:
        return self.figures.get((venue, symbol))

    def forced(self, venue: str, segment: str, symbol: str, since_ms: int, now_ms: int) -> Sequence[Forced]:
        return [f for f in self.closes.get((venue, symbol), ()) if since_ms < f.ts_ms <= now_ms]

    def past(
        self, venue: str, segment: str, symbol: str, start_ms: int, end_ms: int, step_ms: int
    ) -> Sequence[tuple[int, Quote]]:
        """The same figures at every step."""
        quote = self.quote(venue, segment, symbol, end_ms)
        if quote is None:
            return []
        return [(t, quote) for t in range(-(-start_ms // step_ms) * step_ms, end_ms + 1, step_ms)]
