from time import time

from store import columns
from store.once import FRESH_MS, KEPT, Once, Row
from store.records import FeedClass, Liquidation, Side, Source, Unit, Volume
from tests.store.made import INVERSE, LINEAR, MINUTE, rows, store_of, writing

NOW = round(time() * 1000)  # what is new is told from the machine's clock, as it was heard by it


def death(ts: int, size: float = 3.0, seen: int | None = None) -> Liquidation:
    heard = ts + 5 if seen is None else seen
    return Liquidation(LINEAR, ts, heard, Side.LONG, size, Unit.CONTRACTS, 0.03, 3e3, 1e5, FeedClass.FULL, False)


def as_row(record: object) -> Row:
    return columns.row(record, False, NOW)[1]


def test_what_is_later_than_all_that_is_stored_is_new_and_what_is_told_again_is_left_out() -> None:
    with store_of() as store:
        once = Once(store.cursor())

        def told(*records: Liquidation) -> tuple[list[Row], list[Row]]:
            return once.sifted("liquidations", [as_row(r) for r in records], NOW)

        first, next_, twin = as_row(death(NOW)), as_row(death(NOW + 1)), as_row(death(NOW + 1, 4.0))
        assert told(death(NOW), death(NOW)) == ([first], [])
        assert told(death(NOW), death(NOW + 1)) == ([next_], [])
        assert told(death(NOW + 1, 4.0)) == ([], [twin]), "of one moment: perhaps the store has it"
        assert told(death(NOW - 1)) == ([], [as_row(death(NOW - 1))]), "perhaps of before"
        late = NOW + 60_000
        old = death(late, seen=late + FRESH_MS + 1)
        assert told(old) == ([], [as_row(old)]), "somebody may have imported it meanwhile"


def test_an_instrument_and_a_kind_have_a_memory_of_their_own() -> None:
    with store_of() as store:
        once = Once(store.cursor())
        here, there = (Volume(i, NOW, NOW + 5, 1.0, None, Source.POLL, False) for i in (LINEAR, INVERSE))
        assert once.sifted("volumes", [as_row(here)], NOW)[0] == [as_row(here)]
        assert once.sifted("volumes", [as_row(there)], NOW)[0] == [as_row(there)]
        account, position = ((NOW, NOW + 5, LINEAR.id, kind, 1.5, "poll", False) for kind in ("account", "top_account"))
        assert once.sifted("ratios", [account], NOW)[0] == [account]
        assert once.sifted("ratios", [position], NOW)[0] == [position]


def test_of_a_bounded_number_of_rows_it_is_known_that_they_are_stored() -> None:
    with store_of() as store:
        once = Once(store.cursor())
        many = [as_row(death(NOW + n)) for n in range(KEPT + 1)]
        assert once.sifted("liquidations", many, NOW) == (many, [])
        assert once.sifted("liquidations", many[1:], NOW) == ([], [])
        assert once.sifted("liquidations", many[:1], NOW) == ([], many[:1])


def test_nothing_is_stored_twice_over_a_restart_and_nothing_new_is_lost() -> None:
    with store_of() as store:
        for last in (2, 4):  # the second run hears again what the first one did
            with writing(store, now_ms=NOW) as writer:
                for n in range(last):
                    writer.put(death(NOW + n))
                    writer.put(Volume(LINEAR, NOW - n * MINUTE, NOW, 1.0, None, Source.POLL, False))
        assert rows(store, "SELECT count(*), count(DISTINCT ts) FROM liquidations") == [(4, 4)]
        assert rows(store, "SELECT count(*), count(DISTINCT ts) FROM volumes") == [(4, 4)]


def test_what_a_failed_batch_held_is_stored_when_it_is_tried_again() -> None:
    with store_of() as store:
        con = store.cursor()
        once = Once(con)
        batch = [as_row(death(NOW)), as_row(death(NOW + 1))]
        assert once.sifted("liquidations", batch, NOW) == (batch, [])
        once.forget()  # it was rolled back
        assert once.sifted("liquidations", batch, NOW) == (batch, [])
        con.execute("INSERT INTO liquidations VALUES " + ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"] * 2),
                    [v for row in batch for v in (*columns.times(row[:2]).tolist(), *row[2:])])  # fmt: skip
        once.forget()
        assert once.sifted("liquidations", batch, NOW) == ([], batch), "the store knows"
