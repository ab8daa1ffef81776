"""What one published unit is worth in coins or USD. Pure; `Board` has the prices."""

from store.records import Instrument, Payoff, Unit


def factor(instrument: Instrument, unit: Unit, sides: int = 1) -> tuple[bool, float]:
    """(native_usd, k): `raw * k` is one-sided USD where native_usd, else one-sided coins (analytics.md, 1.1).

    linear  Q = n*c/s;  inverse N = n*c/s;  quanto N = n*m*P*X/s, where `k` has n*m/s and `Board` the price X of the
    settle coin.
    """
    share = 1.0 / sides
    match unit:
        case Unit.USD:
            return True, share
        case Unit.BASE:
            return False, share * instrument.base_factor
        case Unit.CONTRACTS:
            match instrument.payoff:
                case Payoff.LINEAR | Payoff.QUANTO:
                    return False, share * instrument.contract_size * instrument.base_factor
                case Payoff.INVERSE:
                    return True, share * instrument.contract_size
