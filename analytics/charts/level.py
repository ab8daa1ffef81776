"""Charts of how much is open: what `levels.chart` computes, as data (analytics.md, 1.4 to 1.8)."""

from analytics.chart import Chart, Guide

ALL_EXCHANGES = "derivatives-oi-aggregated-all-exchanges"
VENUE_PREFIX = "derivatives-oi-"
CLOSES = (
    "Daily closes at midnight UTC for as long as anything was collected or imported, finer steps where readings were "
    "kept; a corrected close is a new revision. "
)

CHARTS = (
    Chart(
        ALL_EXCHANGES, "Open interest, all exchanges", "USD", "derived",
        "A = sum of one-sided notional over venues; a silent venue is kept at its last quantity for 6 h (carried)",
        "usd",
        Guide(
            "The dollar value of all open perpetual contracts, every contract counted once. It is exposure, not money "
            "paid in: divide by leverage to get near the capital at risk.",
            "Read the level next to the quantity and price parts of its change. Dollars rise with price though nobody "
            "opened a position; only the quantity part says that positions were opened. Where venues were not fresh "
            "their last values stand in: carried_usd says how much, band_usd how far that may have moved since, one sd "
            "(zero: all was heard). Read such a point as oi_usd plus or minus band_usd.",
            ("below 0.60 of the year's high: depressed", "0.60 to 0.90: normal", "above 0.90: near the high"),
            (
                "contracts falling 15 % or more in a day (deleveraging)",
                "more than 30 closes above 0.80 of the high (plateau)",
                "open interest building while price falls",
            ),
            CLOSES + "Fields that count both sides are halved as of the day they changed, so that no change of "
            "convention is a fall. Which venues contribute varies over the years: see contributing_venues.",
            (
                "calling a fall in dollars a liquidation when only the price moved",
                "reading a lost connection as closed positions: look at coverage first",
                "adding snapshots up over time: open interest is a stock",
            ),
        ),
        ("derivatives-oi-by-venue", "derivatives-oi-coins", "derivatives-oi-high-share", "derivatives-oi-coverage"),
        log_scale=True, by_venue=True,
    ),
    Chart(
        VENUE_PREFIX + "{venue}", "Open interest, one exchange", "USD", "derived",
        "N_v = sum of one-sided notional over the venue's contracts of the asset", "usd",
        Guide(
            "What is open on one exchange, in the same one-sided dollars as the sum of all.",
            "Compare its growth in contracts with that of the others; levels also depend on whether the venue's side "
            "count is established.",
            (), ("growth of contracts that the other venues do not share", "a rising share of the whole"),
            CLOSES + "Other charts of one exchange: ask them with the argument venue.",
            ("comparing raw published numbers: some venues count longs and shorts apart",),
        ),
        (ALL_EXCHANGES, "derivatives-oi-by-venue", "derivatives-oi-concentration"), log_scale=True, by_venue=True,
    ),
    Chart(
        "derivatives-oi-coins", "Open interest in coins", "coins", "derived",
        "sum of one-sided base quantity; inverse contracts as notional over price", "base",
        Guide(
            "The same positions measured in the coin itself.",
            "Free of most of the price effect, so closer to what traders did. Inverse contracts still change in coins "
            "when price moves; the chain-linked index does not. band_coins as band_usd beside the chart in dollars.",
            (), ("a new high in coins while dollars stand still",),
            CLOSES + "The better of the two for comparing years of different prices.",
            ("taking coins of inverse contracts for traded quantity",),
        ),
        (ALL_EXCHANGES, "derivatives-oi-index", "derivatives-oi-market-cap"), log_scale=True, by_venue=True,
    ),
    Chart(
        "derivatives-oi-index", "Open interest index, contracts only", "index, 1 at the start of the range", "derived",
        "I_k = I_{k-1}*(1 + g_k); g = growth of contracts over venues heard at both ends, by notional", "index",
        Guide(
            "Pure growth of contracts, chained over venues that were heard at both ends of each step.",
            "Use it for any statement about building or leaving: neither price nor an outage moves it.",
            (), ("a difference between this index and the level: price, carried or re-entered venues",),
            "Begins at one wherever the range begins, so that two ranges are not comparable by value. A venue that "
            "arrives or leaves changes the level, never the index.",
            ("reading it as a level: it has no unit",),
        ),
        (ALL_EXCHANGES, "derivatives-oi-coins", "derivatives-oi-flow"), log_scale=True, by_venue=True,
    ),
    Chart(
        "derivatives-oi-high-share", "Share of the one-year high", "fraction", "derived",
        "h = A(t)/max(A over the trailing 365 daily closes, t included); needs 180 closes; daily steps", "high_share",
        Guide(
            "How near open interest is to its own highest close of the year.",
            "One is the high itself. Long stays near it mean that a lot of leverage has been standing for long.",
            ("below 0.60: depressed", "0.60 to 0.90: normal", "above 0.90: near the high"),
            ("more than 30 closes above 0.80", "a fall out of such a plateau"),
            "One value a day once 180 closes are known. The high leaves the window after a year, and the share jumps.",
            (
                "expecting it to say when: it says how much could move, not in which direction",
                "in dollars a high of the price is a high of open interest: high_share_coins beside the chart is not",
            ),
        ),
        (ALL_EXCHANGES, "derivatives-oi-coins"), by_venue=True,
    ),
    Chart(
        "derivatives-oi-coverage", "Coverage", "fraction", "derived",
        "C = open interest of fresh venues over that of all known venues, by the quantities last known", "coverage",
        Guide(
            "How much of the market was really heard at each moment.",
            "One means every venue was fresh. What is missing is carried at its last quantity for six hours, then left "
            "out with a marker.",
            ("0.95 and more: grade A", "0.85: B", "0.70: C", "below: D, no alerts"),
            ("dips that coincide with steps of the level",),
            "Of stored rows a silence below 75 s cannot be told; the newest point knows it to the second.",
            ("judging a change that lies inside a dip",),
        ),
        (ALL_EXCHANGES, "derivatives-oi-by-venue"), by_venue=True,
    ),
)  # fmt: skip
