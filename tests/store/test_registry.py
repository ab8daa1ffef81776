"""Versions of instruments: what the catalogue says, and since when a contract has the size it has (faults.md, F31)."""

from collections.abc import Sequence
from dataclasses import replace

from store.buffer import Batch
from store.engine import Store
from store.inserts import insert
from store.latest import Verdict
from store.records import Instrument
from store.registry import Registry, dated, sized, versions
from tests.store.made import DAY, HOUR, LINEAR, MINUTE, T0, reading, rows, store_of

LISTED = replace(LINEAR, valid_from=T0 - 900 * DAY)


def told(registry: Registry, *instruments: Instrument, at: int, attached: Sequence[Instrument] = ()) -> None:
    """What a catalogue says, and what only came with other records, into the store."""
    found = registry.news(instruments, {}, (), False, at, {i.id: i for i in attached})
    con = registry._con
    for row in found.get("instruments", ()):
        times = [None if row[k] is None else f"make_timestamp_ms({row[k]})" for k in (15, 16)]
        con.execute(
            f"INSERT INTO instruments VALUES ({','.join('?' * 15)}, {times[0] or 'NULL'}, {times[1]}, ?)",
            [*row[:15], row[17]],
        )


def stored(store: Store) -> list[tuple[object, ...]]:
    return rows(store, "SELECT contract_size, live, epoch_ms(valid_from) FROM instruments ORDER BY known_at")


def test_a_size_holds_since_it_was_seen_to_change_and_goes_on_holding_over_a_restart() -> None:
    smaller = replace(LISTED, contract_size=0.001)  # the venue states the day of the listing still
    with store_of() as store:
        told(Registry(store.cursor()), LISTED, at=T0)
        running = Registry(store.cursor())
        told(running, smaller, at=T0 + HOUR)
        told(running, smaller, at=T0 + 2 * HOUR)
        told(Registry(store.cursor()), smaller, at=T0 + DAY)  # another run
        told(Registry(store.cursor()), replace(smaller, live=False), at=T0 + 2 * DAY)
        assert stored(store) == [
            (0.01, True, LISTED.valid_from),
            (0.001, True, T0 + HOUR),
            (0.001, False, T0 + HOUR),
        ]
        found = versions(store.cursor())
        assert [(v.contract_size, v.valid_from) for v in found[LINEAR.id]] == [(0.01, 0), (0.001, T0 + HOUR)]
        now = replace(smaller, valid_from=T0 + HOUR)
        assert sized(found, now, T0 + HOUR - 1).contract_size == 0.01
        assert sized(found, now, T0 + HOUR) is now
        assert sized(found, now, 0).contract_size == 0.01
        assert sized({}, now, 0) is now


def test_the_venues_own_word_of_a_change_counts() -> None:
    """If it is a later one than before: a listing that was not known before is not when the size changed."""
    smaller = replace(LISTED, contract_size=0.001, valid_from=T0 + MINUTE)
    assert dated(LISTED, smaller, T0 + HOUR).valid_from == T0 + MINUTE
    assert dated(LISTED, replace(smaller, valid_from=T0 + DAY), T0 + HOUR).valid_from == T0 + HOUR, "not yet"
    assert dated(LINEAR, smaller, T0 + HOUR).valid_from == T0 + HOUR
    assert dated(LISTED, replace(LISTED, valid_from=0), T0 + HOUR) == LISTED


def test_an_old_version_that_comes_with_a_late_record_is_no_news() -> None:
    """A reading that was held, or one of the past: the contract is not of its old size again."""
    smaller = replace(LISTED, contract_size=0.001)
    with store_of() as store:
        registry = Registry(store.cursor())
        told(registry, LISTED, at=T0)
        told(registry, smaller, at=T0 + HOUR)
        con = store.cursor()
        late = reading(T0 + HOUR, 200.0, of=LISTED)
        assert insert(con, registry, Batch(readings=[(late, Verdict.KEEP)]), False) == 1
        assert rows(store, "SELECT raw, base FROM readings") == [(200.0, 1.0)]
        assert [size for size, _, _ in stored(store)] == [0.01, 0.001]
        other = replace(LISTED, symbol="ETHUSDT", asset="ETH")
        told(registry, at=T0 + DAY, attached=[other])
        assert len(stored(store)) == 3, "nothing was known of it"
