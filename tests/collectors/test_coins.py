from collectors.board import Board
from collectors.coins import Coins
from collectors.venue import Update
from store.records import Field, Instrument, Kind, Payoff, Unit

NOW = 1_790_000_000_000


def board(
    symbol: str, mark: float, seen: int = NOW, payoff: Payoff = Payoff.LINEAR, kind: Kind = Kind.PERPETUAL
) -> Board:
    made = Board([Instrument("toy", symbol, symbol, "BTC", "USDT", "USDT", kind=kind, payoff=payoff)])
    made.apply(Update(symbol, mark=mark), seen)
    return made


def test_a_coin_is_worth_the_median_mark_of_its_contracts() -> None:
    coins = Coins(lambda: NOW)
    assert coins("BTC") is None
    coins = Coins(lambda: NOW)
    coins.boards = {str(mark): board("BTC", mark) for mark in (60_000.0, 61_000.0, 90_000.0)}
    coins.boards["quanto"] = board("BTC", 1.0, payoff=Payoff.QUANTO)
    coins.boards["old"] = board("BTC", 1.0, NOW - 60_001)
    assert coins("BTC") == (61_000.0, NOW)
    assert coins("ETH") is None


def test_dated_contracts_price_a_coin_only_where_no_perpetual_does() -> None:
    dated = {str(mark): board("BTC", mark, kind=Kind.DATED) for mark in (63_000.0, 64_000.0, 65_000.0)}
    coins = Coins(lambda: NOW)
    coins.boards = {**dated}
    assert coins("BTC") == (64_000.0, NOW)
    coins = Coins(lambda: NOW)
    coins.boards = {**dated, "perpetual": board("BTC", 60_000.0)}
    assert coins("BTC") == (60_000.0, NOW)


def test_a_price_is_looked_up_once_a_second() -> None:
    now = [NOW]
    coins = Coins(lambda: now[0])
    coins.boards["a"] = board("BTC", 5.0)
    assert coins("BTC") == (5.0, NOW)
    coins.boards["a"] = board("BTC", 6.0)
    assert coins("BTC") == (5.0, NOW)
    now[0] += 1000
    assert coins("BTC") == (6.0, NOW + 1000)


def test_before_any_board_tells_it_is_worth_what_it_was() -> None:
    coins = Coins(lambda: NOW, {"BTC": (59_000.0, NOW - 5)}.get)
    assert (coins("BTC"), coins("ETH")) == ((59_000.0, NOW - 5), None)


def test_a_quanto_contract_is_priced_by_another_board() -> None:
    coins = Coins(lambda: NOW)
    coins.boards["a"] = board("BTC", 60_000.0)
    quanto = Instrument("toy", "q", "ETHUSD", "ETH", "USD", "BTC", payoff=Payoff.QUANTO, contract_size=1e-6)
    record = Board([quanto], coin=coins).apply(Update("ETHUSD", NOW, 5000.0, Field("oi", Unit.CONTRACTS), 3000.0), NOW)
    assert record is not None
    assert record.base == 5000 * 1e-6 * 60_000
