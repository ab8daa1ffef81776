"""A ladder is a version; one that did not change adds nothing, one that shrank shows it."""

from store.reader import Reader
from store.records import MarginTier
from tests.store.made import LINEAR, T0, rows, store_of, writing


def steps(seen: int, *maintenance: float) -> list[MarginTier]:
    bounds = [1e6 * k for k in range(len(maintenance))]
    return [
        MarginTier(LINEAR, seen, k, lower, upper, m, 50.0, None, False)
        for k, lower, upper, m in zip(range(1, 99), bounds, [*bounds[1:], None], maintenance, strict=False)
    ]


def test_a_ladder_is_kept_once_and_again_when_one_step_changed() -> None:
    with store_of() as store:
        for said in (steps(T0, 0.01, 0.02), steps(T0 + 1000, 0.01, 0.02), steps(T0 + 2000, 0.01, 0.03)):
            with writing(store) as writer:  # each a run of its own: what was stored is known after a restart
                for step in said:
                    writer.put(step)
        assert rows(store, "SELECT epoch_ms(known_at) - 1795046400000, tier, maintenance, upper FROM tiers") == [
            (0, 1, 0.01, 1e6), (0, 2, 0.02, None), (2000, 1, 0.01, 1e6), (2000, 2, 0.03, None),
        ]  # fmt: skip
        reader = Reader(store)
        assert reader.tiers("BTC", T0 - 1).empty
        assert reader.tiers("BTC", T0 + 1999)["maintenance"].tolist() == [0.01, 0.02]
        assert reader.tiers("BTC")[["symbol", "tier", "maintenance", "known_at"]].to_numpy().tolist() == [
            ["BTCUSDT", 1, 0.01, T0 + 2000], ["BTCUSDT", 2, 0.03, T0 + 2000],
        ]  # fmt: skip


def test_a_ladder_split_over_two_batches_is_one_version() -> None:
    with store_of() as store, writing(store) as writer:
        for said in (steps(T0, 0.01, 0.02, 0.03), steps(T0 + 1000, 0.01, 0.02, 0.04)):
            for step in said:
                writer.put(step)
                assert writer.flush()
        tiers = Reader(store).tiers("BTC")
        assert tiers[["tier", "maintenance"]].to_numpy().tolist() == [[1, 0.01], [2, 0.02], [3, 0.04]]
        assert set(tiers["known_at"]) == {T0 + 1000}


def test_a_ladder_with_fewer_steps_replaces_the_longer_one() -> None:
    with store_of() as store, writing(store) as writer:
        whole, short = steps(T0, 0.01, 0.02, 0.03), steps(T0 + 1000, 0.01, 0.02, 0.03)[:2]
        for said in (whole, short):
            for step in said:
                writer.put(step)
            assert writer.flush()
        writer.put(LINEAR)  # whatever comes next: no more steps did
        assert writer.flush()
        assert Reader(store).tiers("BTC")["tier"].tolist() == [1, 2]


def test_an_old_ladder_that_comes_late_changes_nothing() -> None:
    with store_of() as store, writing(store) as writer:
        for said in (steps(T0 + 1000, 0.02), steps(T0, 0.01)):
            for step in said:
                writer.put(step)
            assert writer.flush()
        assert rows(store, "SELECT maintenance FROM tiers") == [(0.02,)]
