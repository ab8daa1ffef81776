"""What was noted, and the positions that a venue shows to everyone."""

from store.reader import Reader
from store.records import Event, Position, Side
from tests.store.made import LINEAR, MINUTE, T0, store_of, writing


def test_what_was_noted_is_told_by_kind_venue_and_asset() -> None:
    with store_of() as store, writing(store) as writer:
        for event in (
            Event(T0, "plausibility", "BTC", "here", '{"share": 0.9}'),
            Event(T0 + MINUTE, "plausibility", "BTC", "there", "{}"),
            Event(T0 + MINUTE, "plausibility", "ETH", "here", "{}"),
            Event(T0, "same_source", "BTC", "here", "{}"),
        ):
            writer.put(event)
        writer.flush()
        reader = Reader(store)
        told = reader.events("plausibility", T0, T0 + MINUTE)
        assert told[["ts", "asset", "venue", "detail"]].to_numpy().tolist() == [[T0, "BTC", "here", '{"share": 0.9}']]
        assert len(reader.events("plausibility", T0, T0 + 2 * MINUTE)) == 3
        assert len(reader.events("plausibility", T0, T0 + 2 * MINUTE, venue="here", asset="BTC")) == 1
        assert reader.events("plausibility", T0, T0 + 2 * MINUTE, as_of=T0).empty


def test_positions_are_told_as_last_seen_and_closed_ones_are_gone() -> None:
    def held(holder: str, seen: int, base: float, price: float | None = None) -> Position:
        return Position(LINEAR, seen, holder, Side.SHORT, base, 60_000.0, price, 5.0, False)

    with store_of() as store, writing(store) as writer:
        for position in (
            held("a", T0, 2.0),
            held("a", T0 + 5, 3.0, 70_000.0),
            held("b", T0, 9.0),
            held("b", T0 + 5, 0.0),
        ):
            writer.put(position)
        writer.put(LINEAR)
        writer.flush()
        told = Reader(store).positions("BTC", T0, T0 + MINUTE)
        assert told[["holder", "seen", "side", "base", "liquidation_price"]].to_numpy().tolist() == [
            ["a", T0 + 5, "short", 3.0, 70_000.0]
        ]
        assert Reader(store).positions("BTC", T0, T0 + 1)["holder"].tolist() == ["b", "a"]
