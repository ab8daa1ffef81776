"""What a coin was worth in USD at a past moment, by the marks that the store has: for rows that state no price."""

from statistics import median

from store.patience import Cursors

HOUR_MS = 3_600_000
NEAR_MS = 36 * HOUR_MS  # an older mark prices nothing

MARKS = """
    SELECT i.instrument_id, arg_max(b.mark_close, (b.bucket, b.known_at)) FROM {table} b JOIN (
        FROM instruments QUALIFY row_number() OVER (PARTITION BY instrument_id ORDER BY known_at DESC) = 1
    ) i USING (instrument_id)
    WHERE i.asset = $asset AND i.quote IN ('USD', 'USDT', 'USDC') AND i.payoff != 'quanto' AND b.mark_close IS NOT NULL
        AND b.bucket >= make_timestamp_ms($low) AND b.bucket < make_timestamp_ms($high)
    GROUP BY ALL
"""


class Prices:
    """Owns what was looked up; one hour of one asset is asked for once."""

    def __init__(self, store: Cursors) -> None:
        self.store = store
        self.kept: dict[tuple[str, int], float | None] = {}

    def at(self, asset: str, ts: int) -> float | None:
        """USD a coin at `ts` [ms UTC]: the median over instruments of the last mark before; None where none is near."""
        key = asset, ts // HOUR_MS
        if key not in self.kept:
            self.kept[key] = self.asked(asset, (ts // HOUR_MS + 1) * HOUR_MS)
        return self.kept[key]

    def asked(self, asset: str, high: int) -> float | None:
        con = self.store.cursor()
        try:
            for table, low in (
                ("bars_1m", high - HOUR_MS),
                ("bars_1h", high - 3 * HOUR_MS),
                ("bars_1h", high - NEAR_MS),
            ):
                values = {"asset": asset, "low": low, "high": high}
                found = con.execute(MARKS.format(table=table), values).fetchall()
                if found:
                    return median(float(row[1]) for row in found)
        finally:
            con.close()
        return None
