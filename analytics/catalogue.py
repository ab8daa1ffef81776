"""The charts there are, as data: what each shows, in which unit, and how to read it."""

from dataclasses import dataclass
from difflib import get_close_matches

from analytics.chart import Chart, Guide
from analytics.trackguide import TRACKED

ALL_EXCHANGES = "derivatives-oi-aggregated-all-exchanges"
VENUE_PREFIX = "derivatives-oi-"


CHARTS = (
    Chart(
        ALL_EXCHANGES,
        "Open interest, all exchanges",
        "USD",
        "derived",
        "sum of one-sided notional over venues; a silent venue is kept at its last quantity for 6 h (carried)",
        "usd",
        Guide(
            "The dollar value of all open perpetual contracts, every contract counted once. It is exposure, not money "
            "paid in: divide by leverage to get near the capital at risk.",
            "Read the level next to the quantity and price parts of its change. Dollars rise with price though nobody "
            "opened a position; only the quantity part says that positions were opened.",
            ("below 0.60 of the year's high: depressed", "0.60 to 0.90: normal", "above 0.90: near the high"),
            (
                "contracts falling 15 % or more in a day (deleveraging)",
                "more than 30 closes above 0.80 of the high (plateau)",
                "open interest building while price falls",
            ),
            (
                "calling a fall in dollars a liquidation when only the price moved",
                "reading a lost connection as closed positions: look at coverage first",
                "adding snapshots up over time: open interest is a stock",
            ),
        ),
        ("derivatives-oi-coins", "derivatives-oi-high-share", "derivatives-oi-coverage"),
        log_scale=True,
    ),
    Chart(
        VENUE_PREFIX + "{venue}",
        "Open interest, one exchange",
        "USD",
        "derived",
        "sum of one-sided notional over the venue's contracts of the asset",
        "usd",
        Guide(
            "What is open on one exchange, in the same one-sided dollars as the sum of all.",
            "Compare its growth in contracts with that of the others; levels also depend on whether the venue's side "
            "count is established.",
            (),
            ("growth of contracts that the other venues do not share", "a rising share of the whole"),
            ("comparing raw published numbers: some venues count longs and shorts apart",),
        ),
        (ALL_EXCHANGES, "derivatives-oi-concentration"),
        log_scale=True,
    ),
    Chart(
        "derivatives-oi-coins",
        "Open interest in coins",
        "coins",
        "derived",
        "sum of one-sided base quantity; inverse contracts as notional over price",
        "base",
        Guide(
            "The same positions measured in the coin itself.",
            "Free of most of the price effect, so closer to what traders did. Inverse contracts still change in coins "
            "when price moves; the chain-linked index does not.",
            (),
            ("a new high in coins while dollars stand still",),
            ("taking coins of inverse contracts for traded quantity",),
        ),
        (ALL_EXCHANGES, "derivatives-oi-index"),
        log_scale=True,
    ),
    Chart(
        "derivatives-oi-index",
        "Open interest index, contracts only",
        "index, 1 at the start of the range",
        "derived",
        "I_k = I_{k-1}*(1 + g_k); g = growth of contracts over venues heard at both ends, by notional",
        "index",
        Guide(
            "Pure growth of contracts, chained over venues that were heard at both ends of each step.",
            "Use it for any statement about building or leaving: neither price nor an outage moves it.",
            (),
            ("a difference between this index and the level: price, carried or re-entered venues",),
            ("reading it as a level: it has no unit",),
        ),
        (ALL_EXCHANGES, "derivatives-oi-coins"),
        log_scale=True,
    ),
    Chart(
        "derivatives-oi-high-share",
        "Share of the one-year high",
        "fraction",
        "derived",
        "A(t)/max(A over the trailing 365 daily closes, t included); needs 180 closes; daily steps",
        "high_share",
        Guide(
            "How near open interest is to its own highest close of the year.",
            "One is the high itself. Long stays near it mean that a lot of leverage has been standing for long.",
            ("below 0.60: depressed", "0.60 to 0.90: normal", "above 0.90: near the high"),
            ("more than 30 closes above 0.80", "a fall out of such a plateau"),
            ("expecting it to say when: it says how much could move, not in which direction",),
        ),
        (ALL_EXCHANGES,),
    ),
    Chart(
        "derivatives-funding-oi-weighted",
        "Funding, weighted by open interest",
        "fraction per 8 h",
        "derived",
        "sum of f8*Q / sum of Q, f8 = rate*8/interval in hours; ranges of up to 30 days",
        "funding_8h",
        Guide(
            "What longs pay shorts per eight hours, averaged over venues by what is open there.",
            "Positive: longs pay. 0.0001 per 8 h is about 10.95 % a year. Compare with its own past rather than with "
            "a fixed number.",
            (),
            ("funding far from its usual range while open interest is near its high",),
            ("mixing intervals: an hourly rate is eight times as heavy as it looks beside an 8 h one",),
        ),
        (ALL_EXCHANGES,),
    ),
    Chart(
        "derivatives-oi-concentration",
        "Concentration of open interest (HHI)",
        "HHI, 1/k to 1",
        "derived",
        "sum of squared venue shares of the level",
        "hhi",
        Guide(
            "How unevenly open interest is spread over venues; its inverse is the number of equal venues it resembles.",
            "Higher is more concentrated. The number depends on which venues are covered and on right side counts.",
            (),
            ("the 95th percentile of its own year (fragility)", "a single venue taking most of the new positions"),
            ("comparing values from different sets of venues",),
        ),
        (ALL_EXCHANGES, "derivatives-oi-coverage"),
    ),
    Chart(
        "derivatives-oi-coverage",
        "Coverage",
        "fraction",
        "derived",
        "open interest of fresh venues over that of all known venues, by the quantities last known",
        "coverage",
        Guide(
            "How much of the market was really heard at each moment.",
            "One means every venue was fresh. What is missing is carried at its last quantity for six hours, then left "
            "out with a marker.",
            ("0.95 and more: grade A", "0.85: B", "0.70: C", "below: D, no alerts"),
            ("dips that coincide with steps of the level",),
            ("judging a change that lies inside a dip",),
        ),
        (ALL_EXCHANGES,),
    ),
    *TRACKED,
)


@dataclass(frozen=True, slots=True)
class Found:
    chart: Chart
    venue: str | None  # where the id was a venue's own chart


def ids(venues: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Every id that can be asked for, the venue pattern spelled out for `venues`."""
    out: list[str] = []
    for chart in CHARTS:
        out += [chart.id.format(venue=v) for v in venues] if "{venue}" in chart.id else [chart.id]
    return tuple(out)


def find(metric_id: str, venues: tuple[str, ...]) -> Found | None:
    """The chart of an id, exactly; None where there is none."""
    for chart in CHARTS:
        if chart.id == metric_id:
            return Found(chart, None) if "{venue}" not in chart.id else None
        if "{venue}" in chart.id and metric_id in ids(venues):
            venue = metric_id.removeprefix(VENUE_PREFIX)
            if venue in venues:
                return Found(chart, venue)
    return None


def near(metric_id: str, venues: tuple[str, ...], n: int = 3) -> tuple[str, ...]:
    """The ids most like a misspelt one."""
    return tuple(get_close_matches(metric_id, ids(venues), n=n, cutoff=0.4))
