"""The charts of `tracks`, as data: flows, forced closes, ratios and the state of the whole market."""

from analytics.chart import Chart, Guide

LEVEL = "derivatives-oi-aggregated-all-exchanges"
KINDS = {
    "account": "accounts that are long to accounts that are short",
    "top_account": "the same among the accounts a venue calls its largest",
    "top_position": "the largest accounts' long positions to their short ones",
    "taker": "volume bought by takers to volume sold by them",
}


def long_short(kind: str, words: str) -> Chart:
    """One kind of ratio: kinds count different things and are never mixed."""
    return Chart(
        f"derivatives-long-short-{kind.replace('_', '-')}",
        f"Long/short, {kind.replace('_', ' ')}",
        "ratio",
        "derived",
        "exp(sum w*ln ratio), w = the venue's share of one-sided open interest",
        f"long_short_{kind}",
        Guide(
            f"{words[0].upper()}{words[1:]}, over the venues that publish it.",
            "Above one: more longs. It counts heads or trades, never contracts: every contract has one long and one "
            "short.",
            (),
            ("a ratio far from its usual range while open interest builds",),
            ("taking it for a split of open interest into longs and shorts", "mixing kinds or averaging ratios"),
        ),
        (LEVEL, "derivatives-overheat"),
    )


TRACKED = (
    Chart(
        "derivatives-oi-market-cap", "Open interest over market cap", "fraction", "modelled",
        "sum of coins open / coins in existence; the price cancels; supply by the block schedule (BTC)", "cap_share",
        Guide(
            "How large open positions are beside everything there is of the coin.",
            "It compares years in which price and supply differ. Coins, so free of price.",
            (), ("a new high of its own year",), ("reading it for coins whose supply nobody states: there is none",),
        ),
        (LEVEL, "derivatives-oi-coins"),
    ),
    Chart(
        "derivatives-oi-flow", "Flow: opened minus closed", "USD a step", "derived",
        "sum of nubar*dn over instruments heard at both ends of the step", "flow",
        Guide(
            "Positions opened minus closed in each step, with the price taken out.",
            "Above zero positions were opened on balance. What happened while a venue was silent is not in it.",
            (), ("steps against the direction of price",), ("adding carried or re-entered venues to it",),
        ),
        (LEVEL, "derivatives-oi-gross-flow"),
    ),
    Chart(
        "derivatives-oi-gross-flow", "Gross flow: opened plus closed", "USD a step", "derived",
        "sum of all rises and falls between stored statements", "gross",
        Guide(
            "How much was opened and how much closed, added up rather than set off.",
            "A lower bound: what opens and closes between two statements is not seen. Slow polls hide the most.",
            (), ("much gross flow with no net flow: positions change hands or venues",),
            ("comparing steps of different length: shorter ones see more",),
        ),
        ("derivatives-oi-flow",),
    ),
    Chart(
        "derivatives-oi-rotation", "Rotation between venues (R)", "fraction", "derived",
        "R = 2*min(P+, M-)/(P+ + M-) of the venues' flows in the step", "rotation",
        Guide(
            "How well inflow at some venues and outflow at others cancel in each step.",
            "One: as much came as went. High values are common by chance; get_oi_divergence has the test.",
            (), ("long runs near one while the level stands still",), ("taking one high value for evidence",),
        ),
        (LEVEL, "derivatives-oi-conviction"),
    ),
    Chart(
        "derivatives-oi-conviction", "Conviction: speculative minus institutional growth", "fraction a step", "derived",
        "g_S - g_I: growth of contracts at speculative venues minus that at institutional ones", "conviction",
        Guide(
            "Which class of venues builds faster.",
            "Above zero the speculative venues do. Which venue belongs to which class is configuration.",
            (), ("values far outside the usual range, of opposite sign in both classes",),
            ("reading classes as people: the same trader may use both",),
        ),
        (LEVEL, "derivatives-oi-rotation"),
    ),
    Chart(
        "derivatives-oi-zscore", "Z-score of the change of open interest", "own scales", "derived",
        "(d ln n - median)/(1.4826 MAD) against the steps before; at least thirty", "zscore",
        Guide(
            "How unusual each step's growth of contracts is for this market.",
            "+2.5 means two and a half own scales above the median; tails are heavy, so it is no probability.",
            (), ("several far steps in one direction",), ("reading it as a normal z: 6.5 % of steps pass 2.5",),
        ),
        (LEVEL, "derivatives-oi-index"),
    ),
    Chart(
        "derivatives-liquidations", "Liquidations", "USD a step", "measured",
        "sum of forced closes, longs and shorts, as the venues' feeds show them", "liquidations",
        Guide(
            "What was closed by force.",
            "A lower bound where a venue publishes at most one a second. No value: no feed said anything in the step.",
            (), ("spikes that meet a fall of contracts",), ("comparing venues whose feeds are throttled",),
        ),
        ("derivatives-liquidation-intensity", LEVEL),
    ),
    Chart(
        "derivatives-liquidation-intensity", "Liquidation intensity", "percentile, 0 to 100", "derived",
        "percentile of liquidated USD / open interest of a step among the year before; needs ninety days",
        "liquidation_intensity",
        Guide(
            "How heavy forced closing is beside what is open, by its own year.",
            "Ask daily timeframes. 95 and more: among the heaviest days of the year.",
            ("95 and more: heavy",), ("days above 95 that end a plateau",), ("reading zero feeds as calm",),
        ),
        ("derivatives-liquidations", "derivatives-overheat"),
    ),
    *(long_short(kind, words) for kind, words in KINDS.items()),
    Chart(
        "derivatives-overheat", "Overheat index", "index, 0 to 100", "derived",
        "100*(0.4 u_OI + 0.4 u_F + 0.2 u_LS)/sum of the weights that are there; u = percentiles of the own year of "
        "OI/market cap, weighted funding and accounts' long/short; two parts at least", "overheat",
        Guide(
            "How hot leverage runs, by three percentiles of the market's own year.",
            "Ask daily timeframes. It is our open formula and no copy of anybody's index.",
            ("0-30 calm", "30-50 normal", "50-70 active", "70-85 hot", "85-100 extreme"),
            ("days in the highest band while price stands still",), ("taking heat for a forecast of direction",),
        ),
        ("derivatives-funding-oi-weighted", "derivatives-oi-market-cap", "derivatives-long-short-account"),
    ),
    Chart(
        "derivatives-cycle", "Position in the halving cycle", "fraction", "modelled",
        "(height - 840,000)/210,000, height by the block schedule", "cycle",
        Guide(
            "How far Bitcoin is between its last halving and the next.",
            "Zero is the halving, one the next.",
            (), (), ("testing anything on it: four cycles are four observations",),
        ),
        ("derivatives-oi-market-cap",),
    ),
)  # fmt: skip
