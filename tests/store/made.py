"""Rows to test with, and a store to put them in."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from store.engine import Mode, Store, open_store
from store.records import Field, Instrument, OpenInterest, Payoff, Source, Status, Unit
from store.writer import Writer

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
T0 = 1_795_046_400_000  # 2026-11-19T00:00:00Z

FIELD = Field("openInterest", Unit.CONTRACTS, sides=2, status=Status.DOCUMENTED, evidence="a sheet")
LINEAR = Instrument("here", "linear", "BTCUSDT", "BTC", "USDT", "USDT", contract_size=0.01)
INVERSE = Instrument("there", "inverse", "BTCUSD", "BTC", "USD", "BTC", payoff=Payoff.INVERSE, contract_size=100.0)


def reading(
    ts: int,
    raw: float,
    mark: float = 100_000.0,
    *,
    seen: int | None = None,
    of: Instrument = LINEAR,
    field: Field = FIELD,
    funding: float | None = None,
    source: Source = Source.STREAM,
    simulated: bool = False,
    flags: int = 0,
) -> OpenInterest:
    """A reading in the units of its instrument, heard 40 ms after it was stated."""
    contracts = raw / field.sides
    usd = contracts * of.contract_size * (1.0 if of.payoff is Payoff.INVERSE else mark)
    heard = ts + 40 if seen is None else seen
    return OpenInterest(of, field, ts, heard, raw, usd / mark, usd, mark, None, funding, 8.0, source, simulated, flags)


def version(i: Instrument, known_at: int) -> str:
    """What puts a version of an instrument into the store, as if it had been known since then."""
    leverage, hours = ("NULL" if value is None else value for value in (i.max_leverage, i.funding_interval_h))
    return f"""
        INSERT INTO instruments SELECT {i.id}, '{i.venue}', '{i.segment}', '{i.symbol}', '{i.asset}', '{i.quote}',
            '{i.settle}', '{i.kind.value}', '{i.payoff.value}', {i.contract_size}, {i.base_factor}, {i.live},
            {leverage}, {hours}, '{i.funding_kind}', make_timestamp_ms({i.valid_from}),
            make_timestamp_ms({known_at}), FALSE
    """


@contextmanager
def store_of(path: Path | str = ":memory:", mode: Mode = "live") -> Generator[Store]:
    store = open_store(path, mode)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def writing(store: Store, *, limit: int = 100_000, cadence_s: float = 0.01, now_ms: int = T0) -> Generator[Writer]:
    writer = Writer(store, store.mode == "demo", limit=limit, cadence_s=cadence_s, now_ms=now_ms)
    try:
        yield writer
    finally:
        assert writer.close()


def rows(store: Store, sql: str) -> list[tuple[object, ...]]:
    con = store.cursor()
    try:
        return con.execute(sql).fetchall()
    finally:
        con.close()
