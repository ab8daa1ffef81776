"""What tools answer: one shape for all, because a model that has read one answer can then read every other.

Most hosts show the model `structuredContent` and drop the text, others do the reverse, so both halves are complete. The
table is columnar: the names once, then rows; it costs half the tokens of a list of objects.
"""

from datetime import UTC, datetime
from math import isfinite

from pydantic import BaseModel, ConfigDict, Field

Cell = str | int | float | bool | None


class Coverage(BaseModel):
    """Which venues an answer rests on."""

    model_config = ConfigDict(extra="forbid")

    share: float | None = Field(default=None, description="0..1: fresh venues' part of the usual open interest")
    venues_ok: list[str] = Field(default_factory=list[str])
    venues_carried: list[str] = Field(default_factory=list[str], description="silent; last known quantity stands in")
    venues_stale: list[str] = Field(default_factory=list[str])
    venues_missing: list[str] = Field(default_factory=list[str], description="excluded or never heard")
    grade: str | None = Field(default=None, description="A, B, C or D by coverage; D raises no alert")
    confidence: float | None = Field(default=None, description="0..1: coverage, weighed by plausibility where measured")
    plausibility: str | None = Field(
        default=None, description="measured or not_measured: changes held against traded volume, for the confidence"
    )
    age_s: dict[str, float] = Field(default_factory=dict[str, float], description="by venue, since it was last heard")
    cadence_s: dict[str, float] = Field(default_factory=dict[str, float], description="by venue, usual gap of its data")
    usd_rates: dict[str, float] = Field(
        default_factory=dict[str, float], description="USD a unit of these quote currencies: modelled, not measured"
    )


class Table(BaseModel):
    """A further table of an answer."""

    model_config = ConfigDict(extra="forbid")

    columns: list[str]
    rows: list[list[Cell]]


class Answer(BaseModel):
    """One answer. Shares are fractions of 1, times RFC 3339 UTC, numbers rounded to five significant digits."""

    model_config = ConfigDict(extra="forbid")

    summary: str
    as_of: str = Field(description="RFC 3339, UTC")
    simulated: bool = Field(description="true: a made-up market, no real data")
    asset: str | None = None
    figures: dict[str, Cell] = Field(
        default_factory=dict[str, Cell], description="single numbers, units in their names"
    )
    columns: list[str] = Field(default_factory=list[str])
    rows: list[list[Cell]] = Field(default_factory=list[list[Cell]])
    tables: dict[str, Table] = Field(default_factory=dict[str, Table], description="further tables, by name")
    coverage: Coverage = Field(default_factory=Coverage)
    warnings: list[str] = Field(default_factory=list[str])
    truncated: bool = False
    next: str = ""

    def text(self) -> str:
        """The same for hosts that show text: summary, figures, the table as TSV, what to mind, what to ask next."""
        lines = ["SIMULATED DATA. " + self.summary if self.simulated else self.summary, f"as of {self.as_of}"]
        lines += [f"{name}\t{shown(value)}" for name, value in self.figures.items()]
        for name, table in [("", Table(columns=self.columns, rows=self.rows)), *self.tables.items()]:
            lines += [f"{name}:"] if name else []
            lines += ["\t".join(table.columns)] if table.columns else []
            lines += ["\t".join(shown(cell) for cell in row) for row in table.rows]
        if self.coverage != Coverage():
            lines.append(f"coverage: {self.coverage.model_dump_json(exclude_defaults=True)}")
        lines += [f"warning: {words}" for words in self.warnings]
        if self.truncated:
            lines.append("truncated: there are more rows")
        if self.next:
            lines.append(f"next: {self.next}")
        return "\n".join(lines)


def shown(cell: Cell) -> str:
    """A cell in the text half; an unknown is a dash, never an empty place or a zero."""
    match cell:
        case None:
            return "-"
        case bool():
            return "true" if cell else "false"
        case float():
            return repr(cell).removesuffix(".0")
        case _:
            return str(cell)


def rounded(value: float | None, digits: int = 5) -> int | float | None:
    """Five significant digits; None stays None, and what is no number becomes None, since JSON has no word for it.

    A whole number comes without its point: 24983000000 is shorter than 24983000000.0, and tokens are paid for.
    """
    if value is None or not isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() else short


def usd(value: float | None) -> int | float | None:
    """Money in five digits. Less than a cent is nothing: it is what a sum of billions leaves over in floating point."""
    return rounded(value if value is None or not isfinite(value) else round(value, 2))


def utc(ms: int) -> str:
    """Milliseconds UTC as RFC 3339: 2026-11-21T23:00:35Z."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def age_s(now: int, then: int | None) -> int | float | None:
    """Seconds from `then` to `now`, both ms UTC, to a tenth."""
    return None if then is None else tenths(max(0, now - then) / 1000)


def tenths(seconds: float) -> int | float:
    """Seconds to a tenth: no age is known better."""
    short = round(seconds, 1)
    return int(short) if short.is_integer() else short
