"""Who calls what reads damaged frames: catalogues, replies to pings, public positions, context, files of the past."""

import json
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.board import Board
from collectors.catalogue import believable
from collectors.connection import UNREADABLE, text
from collectors.context import aggregate, disagreements, market_facts, network_facts
from collectors.decode import Decoder
from collectors.public import Positions
from collectors.sampler import Sampler
from collectors.units import factor
from collectors.venue import Segment, Update
from store import columns
from store.records import Instrument, OpenInterest, Position, Source, Unit
from tests.collectors.captures import CAPTURES
from tests.collectors.imports.made import BTC, COIN, FUTURE, PEPE, imported, knowing
from tests.collectors.imports.made import NOW as IMPORTED
from tests.collectors.test_context import COINS, NETWORK, contract
from tests.fuzzing import IDS, Heard, closed, heard, opened_up, spoil, tried
from tests.test_venues import VENUES, wanted

NOW = 1_790_000_000_000
each_venue = pytest.mark.parametrize("id", IDS)


@each_venue
@tried(20)
@given(data=st.data())
def test_a_damaged_catalogue_lists_nothing_that_breaks_what_is_made_of_it(id: str, data: st.DataObject) -> None:
    for feed in heard(id):
        if isinstance(feed.spec, Segment):
            frame = data.draw(st.sampled_from(feed.frames))
            spoilt = spoil(data.draw, opened_up(frame))
            try:
                listed = list(believable(feed.read(closed(frame, spoilt.value))))
            except UNREADABLE:
                continue
            taken(listed, spoilt.how)


def taken(listed: Sequence[Instrument], how: str) -> None:
    """As a segment is begun: a board of what is live, its readings, and a row of every instrument."""
    kept: list[Any] = []
    asked = wanted(listed)
    for i in asked:
        assert type(i.symbol) is str, f"{how}: {i}"
        assert 0 < i.contract_size < math.inf, f"{how}: {i}"
        assert 0 < i.base_factor < math.inf, f"{how}: {i}"
        assert 0 < (i.funding_interval_h or 1.0) < math.inf, f"{how}: {i}"
        assert 0 < (i.max_leverage or 1.0) < math.inf, f"{how}: {i}"
    state = Board(asked, coin=lambda _: (1000.0, NOW), sink=kept.append)
    for i in asked:
        for unit in Unit:
            assert 0 < factor(i, unit)[1] < math.inf, f"{how}: {i}"
        field = VENUES[i.venue].fields[0]
        kept += [state.apply(Update(i.symbol, NOW, raw, field, mark=1000.0), NOW) for raw in (1000.0, *[2000.0] * 3)]
    for record in kept:
        if isinstance(record, OpenInterest):
            assert 0 < record.usd < math.inf, f"{how}: {record}"
    rows = [columns.row(i, False, NOW)[1] for i in listed]
    if rows:
        columns.table(rows, columns.SHAPES["instruments"])


@each_venue
@tried(20)
@given(data=st.data())
def test_a_ping_that_is_damaged_is_answered_or_unreadable(id: str, data: st.DataObject) -> None:
    """What we answer is sent outside of what is caught."""
    for feed in heard(id):
        if feed.answer is not None:
            frame = data.draw(st.sampled_from(feed.frames))
            try:
                reply = feed.answer(feed.decode(closed(frame, spoil(data.draw, opened_up(frame)).value)))
            except UNREADABLE:
                continue
            if reply is not None:
                assert text(reply, NOW)


@each_venue
@tried(20)
@given(data=st.data())
def test_whatever_is_to_be_decoded_there_is_an_answer_to_it(id: str, data: st.DataObject) -> None:
    decoder = Decoder(VENUES[id])
    for capture in CAPTURES[id]:
        if capture.first is not None:
            decoder.read(json.dumps(capture.first))
        value = json.loads(capture.raw) if capture.raw[:1] in "[{" else [capture.raw]
        raw = closed(b"", spoil(data.draw, value).value).decode()
        answer = decoder.read(json.dumps({**capture.line, "raw": raw}))
        assert set(answer) == {"updates", "liquidations", "ignored", "error"}
        assert json.dumps(answer)


def sampler(id: str, feed: Heard, kept: list[Any]) -> Sampler:
    """One that knows the venue's open interest."""
    field = VENUES[id].fields[0]
    current = [
        OpenInterest(i, field, NOW, NOW, 10.0, 10.0, 1e4, 1000.0, None, None, None, Source.STREAM, False, 0)
        for i in feed.listed
    ]
    http: Any = SimpleNamespace()
    assert isinstance(feed.spec, Positions)
    return Sampler(VENUES[id], feed.segment, feed.spec, http, kept.append, lambda: current, now=lambda: NOW)


@pytest.mark.parametrize("id", [id for id in IDS if any(s.positions for s in VENUES[id].segments)])
@tried(150)
@given(data=st.data())
def test_damaged_positions_are_refused_or_are_positions(id: str, data: st.DataObject) -> None:
    for feed in heard(id):
        if not isinstance(feed.spec, Positions):
            continue
        kept: list[Any] = []
        it = sampler(id, feed, kept)
        frame = data.draw(st.sampled_from(feed.frames))
        spoilt = spoil(data.draw, opened_up(frame))
        damaged = closed(frame, spoilt.value)
        if feed.name.endswith("holders"):
            it.frame(damaged)  # catches what cannot be read, and nothing else
            assert all(0 < holder.dealt < math.inf for holder in it.holders.values())
            continue
        with suppress(*UNREADABLE):
            it.take("0xa", damaged)
        for position in kept:
            assert isinstance(position, Position)
            known = (position.entry, position.liquidation_price, position.leverage)
            assert all(0 < much < math.inf for much in (position.base, *(k for k in known if k is not None))), (
                spoilt.how
            )
        it.report()


DERIVATIVES = [contract("Acme", "BTC", 5e9), contract("Other", "ETH", "7")]


@pytest.mark.parametrize(
    ("read", "reply"),
    [
        (network_facts, NETWORK),
        (market_facts, COINS),
        (lambda reply: aggregate(reply, {"acme": "Acme", "other": "Other"}), DERIVATIVES),
    ],
    ids=["network", "market", "aggregate"],
)  # fmt: skip
@tried(150)
@given(data=st.data())
def test_damaged_context_is_unreadable_or_finite(read: Callable[[bytes], Any], reply: Any, data: st.DataObject) -> None:
    spoilt = spoil(data.draw, reply)
    try:
        said = read(closed(b"", spoilt.value))
        if isinstance(said, dict):
            disagreements(said, dict.fromkeys(said, 1000.0))
    except UNREADABLE:
        return
    amounts = said.values() if isinstance(said, dict) else (fact.value for fact in said)
    assert all(0 < amount < math.inf for amount in amounts), spoilt.how


T = IMPORTED - 86_400_000
FILES = {
    "ticker": (
        "exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,predicted_funding_rate,open_interest,"
        "last_price,index_price,mark_price",
        *(f"acme,{s},{(T + n) * 1000},{(T + n) * 1000},,0.0001,,{10 + n},1,100000,100001"
          for n, s in enumerate(("BTCUSDT", "KPEPEUSDT", "BTCUSD"))),
    ),
    "deaths": (
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
        *(f"acme,{s},{(T + n) * 1000},{(T + n) * 1000},7,{side},100000,0.5"
          for n, (s, side) in enumerate((("BTCUSDT", "buy"), ("BTCUSD", "sell")))),
    ),
    "metrics": (
        "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
        "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio",
        "2026-11-01 00:05:00,BTCUSDT,80000.5,8000050000.25,1.5,1.25,1.75,0.9",
    ),
    "cot": (
        "cftc_contract_market_code,report_date_as_yyyy_mm_dd,open_interest_all", "133741,2026-09-22T00:00:00.000,24310",
    ),
    "daily": (
        "trade_date,product,expiry,report_type,settle,volume,open_interest_contracts,source",
        "2026-09-11,BTC,2026-09,F,80000,9812,15000,file", "2026-09-11,BTC,2026-10,P,81000,12,5000,file",
    ),
}  # fmt: skip
CELLS = (
    "",
    "x",
    "-1",
    "0",
    "1e308",
    "1e-320",
    "1e400",
    "nan",
    "inf",
    "-inf",
    str(2**70),
    "null",
    "2020-01-01",
    "true",
    "1_000",
    " 5 ",
    "1;2",
    '"',
    "BTC",
    "buy",
    "F",
)


@pytest.mark.parametrize("name", sorted(FILES))
def test_damaged_files_of_the_past_are_read_to_their_end_and_what_is_kept_is_finite(name: str, tmp_path: Path) -> None:
    header, *lines = FILES[name]
    damaged = [
        ",".join([*cells[:n], new, *cells[n + 1 :]])
        for line in lines
        for cells in [line.split(",")]
        for n in range(len(cells))
        for new in CELLS
    ]
    damaged += [line + ",7" for line in lines] + [line.rpartition(",")[0] for line in lines]
    path = tmp_path / f"{name}.csv"
    path.write_text("\n".join([header, *lines, *damaged, *lines, ""]))
    with knowing(BTC, PEPE, COIN, FUTURE) as store:
        report = imported(store, path)
        assert report.rows == len(damaged) + 2 * len(lines)
        con = store.cursor()
        for table, numbers in (
            ("readings", ("raw", "base", "usd", "mark")),
            ("liquidations", ("size", "base", "usd", "price")),
            ("ratios", ("ratio",)),
        ):
            for number in numbers:
                assert con.execute(
                    f"SELECT count(*) FROM {table} WHERE NOT isfinite({number}) OR {number} <= 0"
                ).fetchall() == [(0,)], number
        con.close()
