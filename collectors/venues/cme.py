"""CME dated futures: no socket, nothing intraday. The open interest of a week comes from the CFTC's public API.

The operator's daily file gives one of each trade date. Both are totals of a product over its expiries, so that neither
counts on top of the other. The CFTC states no price: the other venues' values it. What the report of a Tuesday says is
published on the Friday after: `ts` is the Tuesday, `seen` when we could know.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct, convert

from collectors.venue import Answer, Archive, Ask, History, Limits, Poll, Ratio, RatioKind, Said, Segment, Update, Venue
from collectors.wire import Day, Moment, Number, ms, number, wire
from store.records import Field, Instrument, Kind, Status, Unit

API = "https://publicreporting.cftc.gov/resource/gpe5-46if.json"  # financial traders, futures only
DAY_ENDS_MS = 22 * 3_600_000  # 16:00 in Chicago, in winter
WEEK = 604_800
PRODUCTS = {"BTC": ("BTC", 5.0), "MBT": ("BTC", 0.1), "ETH": ("ETH", 50.0), "MET": ("ETH", 0.1)}  # coins in a contract
CODES = {"133741": "BTC", "133742": "MBT", "146021": "ETH", "146022": "MET"}  # a name would also find other exchanges'
CODED = {product: code for code, product in CODES.items()}
ONCE = "a cleared US future: each contract counts once"
WEEKLY = Field("open_interest_all", Unit.CONTRACTS, 1, Status.DOCUMENTED, evidence=ONCE)
DAILY = Field("open_interest_contracts", Unit.CONTRACTS, 1, Status.DOCUMENTED, evidence=ONCE)


class Report(Struct):
    """A row of the Commitments of Traders: the numbers are texts."""

    cftc_contract_market_code: str
    report_date_as_yyyy_mm_dd: Moment  # a Tuesday
    futonly_or_combined: Literal["FutOnly"]  # with options it would count their deltas too
    open_interest_all: Number
    dealer_positions_long_all: Number = None
    dealer_positions_short_all: Number = None
    asset_mgr_positions_long: Number = None
    asset_mgr_positions_short: Number = None
    lev_money_positions_long: Number = None
    lev_money_positions_short: Number = None


class Line(Struct):
    """A line of the operator's file: a product's expiry on a trade date."""

    trade_date: Day
    product: str
    expiry: str  # 2026-09
    report_type: Literal["P", "F"]  # preliminary, final
    settle: Number
    volume: Number
    open_interest_contracts: float
    source: str = ""


def asked(where: str, limit: int) -> Ask:
    order = "report_date_as_yyyy_mm_dd%20DESC"
    return Ask(f"{API}?$where=cftc_contract_market_code{where}&$order={order}&$limit={limit}")


def read(rows: Sequence[Report]) -> Iterable[Instrument]:
    found = {row.cftc_contract_market_code for row in rows}
    for code, product in CODES.items():
        if code in found:
            asset, size = PRODUCTS[product]
            yield Instrument("cme", "futures", product, asset, "USD", "USD", kind=Kind.DATED, contract_size=size)


def said(row: Report) -> Iterable[Said]:
    symbol, ts = CODES[row.cftc_contract_market_code], ms(row.report_date_as_yyyy_mm_dd) + DAY_ENDS_MS
    yield Update(symbol, ts, number(row.open_interest_all), WEEKLY)
    sides: dict[RatioKind, tuple[Number, Number]] = {
        "dealers": (row.dealer_positions_long_all, row.dealer_positions_short_all),
        "asset_managers": (row.asset_mgr_positions_long, row.asset_mgr_positions_short),
        "leveraged_funds": (row.lev_money_positions_long, row.lev_money_positions_short),
    }
    for kind, (long, short) in sides.items():
        longs, shorts = number(long), number(short)
        if longs is not None and shorts is not None and shorts > 0:
            yield Ratio(symbol, ts, kind, longs / shorts)


def reports(rows: Sequence[Report]) -> Sequence[Said]:
    """Every report, oldest first."""
    ours = sorted((r for r in rows if r.cftc_contract_market_code in CODES), key=lambda r: r.report_date_as_yyyy_mm_dd)
    return [word for row in ours for word in said(row)]


def newest(rows: Sequence[Report]) -> Sequence[Said]:
    """The newest report of each product: an older one would be valued at today's price."""
    by_code = {row.cftc_contract_market_code: row for row in sorted(rows, key=lambda r: r.report_date_as_yyyy_mm_dd)}
    return reports(list(by_code.values()))


def daily(lines: Iterable[Line]) -> Sequence[Said]:
    """One total a trade date and product, at its expiries' settlement prices. A final line replaces a preliminary.

    Lines of products that are not in `PRODUCTS` are left out: what one of their contracts holds is not known.
    """
    kept: dict[tuple[Day, str], dict[str, Line]] = {}
    for line in lines:
        if line.product in PRODUCTS:
            expiries = kept.setdefault((line.trade_date, line.product), {})
            before = expiries.get(line.expiry)
            if before is None or line.report_type == "F" or before.report_type == "P":
                expiries[line.expiry] = line
    return [total(day, product, list(expiries.values())) for (day, product), expiries in sorted(kept.items())]


def total(day: Day, product: str, lines: Sequence[Line]) -> Update:
    contracts = sum(line.open_interest_contracts for line in lines)
    settles = [(line.open_interest_contracts, number(line.settle)) for line in lines if line.open_interest_contracts]
    known = [held * settle for held, settle in settles if settle is not None]
    mark = sum(known) / contracts if contracts and len(known) == len(settles) else None
    return Update(product, ms(day) + DAY_ENDS_MS, contracts, DAILY, mark)


def filed(rows: Sequence[Mapping[str, str]]) -> Sequence[Said]:
    return daily([convert(dict(row), Line, strict=False) for row in rows])


def published(rows: Sequence[Mapping[str, str]]) -> Sequence[Said]:
    """Rows of the CFTC's own files, which write a day without its time."""
    ours = [row for row in rows if row["cftc_contract_market_code"] in CODES]
    days = [row["report_date_as_yyyy_mm_dd"].partition("T")[0] for row in ours]
    told = [{**row, "report_date_as_yyyy_mm_dd": f"{day}T00:00:00"} for row, day in zip(ours, days, strict=True)]
    return reports([convert(row, Report, strict=False) for row in told])


def table(text: str | bytes) -> list[Line]:
    """The operator's file, header and all."""
    lines = (text.decode() if isinstance(text, bytes) else text).splitlines()
    try:
        return [convert(row, Line, strict=False) for row in csv.DictReader(lines)]
    except csv.Error as fault:
        raise ValueError(str(fault)) from fault


NOW = asked(f"%20in%20({','.join(f'%27{code}%27' for code in CODES)})", 2 * len(CODES))
HISTORY = History(
    lambda i, start, end: asked(f"=%27{CODED.get(i.symbol, i.symbol)}%27", 5000),
    reports, frozenset({"oi", "ratios"}), WEEK, 5000, 3650, wire(list[Report]), bounded=False,
)  # fmt: skip
VENUE = Venue(
    "cme", "CME", "institutional", "https://www.cftc.gov/MarketReports/CommitmentsofTraders/index.htm",
    fields=(WEEKLY, DAILY), limits=Limits(weight=1, per=1), only=Kind.DATED,
    segments=(
        Segment(
            "futures", NOW, read, PRODUCTS.__contains__, history=(HISTORY,), decode=wire(list[Report]),
            feeds=(Poll(NOW, 900, frozenset({"oi", "ratios"}), newest, wire(list[Report]), cadence=WEEK),),
            answers=(Answer(daily, table, "/cme-daily"),),
            archives=(Archive("cot", field=WEEKLY, rows=published), Archive("daily", field=DAILY, rows=filed)),
        ),
    ),
    note="dated futures only; the number of a Tuesday, published on Friday, or a trade date's from the operator's file;"
    " never intraday",
)  # fmt: skip
