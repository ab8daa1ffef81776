"""What templates can say of a contract at a moment, in the venue's own units."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simulator.quotes import Forced, Quote, Quotes
from simulator.script import Contract, Script, Segments
from simulator.template import LEVELS, Scope
from store.records import Kind, Payoff

Values = Mapping[str, Any]
Point = tuple[int, Quote, Quote]
"""Of a history: when it begins [ms UTC], what was so then, and at its end."""
DAY_MS = 86_400_000
WEEK_MS, TUESDAY_MS = 7 * DAY_MS, 5 * DAY_MS  # the epoch was a Thursday
OUT_MS = 3 * DAY_MS + 73_800_000


def of_time(ms: int, name: str) -> Values:
    """`name`_ms, `name`_s and `name`_iso."""
    iso = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {f"{name}_ms": ms, f"{name}_s": ms // 1000, f"{name}_iso": iso}


def reported(now_ms: int) -> str:
    """The newest Tuesday whose weekly report is out: it comes on the Friday after, at 20:30 UTC."""
    out = now_ms - OUT_MS - TUESDAY_MS
    return str(of_time(out - out % WEEK_MS + TUESDAY_MS, "ts")["ts_iso"])


def of_contract(contract: Contract) -> Values:
    return {
        "symbol": contract.symbol,
        "symbol_lower": contract.symbol.lower(),
        "segment": contract.segment,
        "asset": contract.asset,
        "quote": contract.quote,
        "settle": contract.settle,
        "contract_size": contract.contract_size,
        "base_factor": contract.base_factor,
        "max_leverage": contract.max_leverage,
        "funding_interval_h": contract.funding_interval_h,
        "says": contract.says,
    }


def of_quote(contract: Contract, quote: Quote) -> Values:
    """Prices for one of the venue's base units, sizes in them: a kPEPE is a thousand PEPE and costs as much."""
    factor = contract.base_factor
    usd = quote.oi_base * quote.mark
    return {
        "mark": quote.mark * factor,
        "index": quote.index * factor,
        "last": quote.last * factor,
        "oi_base": quote.oi_base / factor,
        "oi_usd": usd,
        "oi_contracts": in_contracts(contract, quote.oi_base, usd),
        "funding": None if contract.kind is Kind.DATED else quote.funding,
        "funding_interval_h": None if contract.kind is Kind.DATED else quote.funding_interval_h,
        "next_funding_ms": quote.next_funding_ms,
        "later_funding_ms": round(quote.next_funding_ms + quote.funding_interval_h * 3_600_000),
        **of_coins(contract, "volume", quote.volume_base, quote.last),
        **of_coins(contract, "taker_buy", quote.taker_buy_base, quote.last),
        **of_coins(contract, "taker_sell", quote.volume_base - quote.taker_buy_base, quote.last),
    }


def of_candle(contract: Contract, opened: Quote, closed: Quote) -> Values:
    """`close_`, `high_` and `low_` of prices and open interest, where their names alone are those of the opening."""
    first, last = of_quote(contract, opened), of_quote(contract, closed)
    return {
        **first,
        **{f"close_{name}": last[name] for name in LEVELS},
        **{f"high_{name}": max(first[name], last[name]) for name in LEVELS},
        **{f"low_{name}": min(first[name], last[name]) for name in LEVELS},
    }


def of_coins(contract: Contract, name: str, coins: float, price: float) -> Values:
    """`name`_base, `name`_usd and `name`_contracts of some coins at a price."""
    usd = coins * price
    return {
        f"{name}_base": coins / contract.base_factor,
        f"{name}_usd": usd,
        f"{name}_contracts": in_contracts(contract, coins, usd),
    }


def of_forced(contract: Contract, forced: Forced) -> Values:
    usd = forced.base * forced.price
    return {
        **of_time(forced.ts_ms, "ts"),
        "side": forced.side,
        "size_base": forced.base / contract.base_factor,
        "size_usd": usd,
        "size_contracts": in_contracts(contract, forced.base, usd),
        "price": forced.price * contract.base_factor,
    }


def in_contracts(contract: Contract, coins: float, usd: float) -> float:
    """A linear contract is some of the venue's base units, an inverse one some dollars."""
    if contract.payoff is Payoff.INVERSE:
        return usd / contract.contract_size
    return coins / contract.base_factor / contract.contract_size


@dataclass(frozen=True, slots=True)
class Views:
    """One venue as templates see it."""

    script: Script
    quotes: Quotes

    def contracts(self, segment: Segments) -> list[Contract]:
        """The contracts of these segments, in the venue's order."""
        own = {segment} if isinstance(segment, str) else segment
        return [c for c in self.script.instruments if own is None or c.segment in own]

    def quote(self, contract: Contract, now_ms: int) -> Quote | None:
        if not contract.collect:
            return None
        return self.quotes.quote(self.script.venue, contract.segment, contract.symbol, now_ms)

    def item(self, contract: Contract, now_ms: int) -> tuple[Values, bool]:
        """What is to say of a contract, and whether it is quoted."""
        quote = self.quote(contract, now_ms)
        if quote is None:
            return of_contract(contract), False
        return {**of_contract(contract), **of_quote(contract, quote)}, True

    def scope(
        self,
        segment: Segments,
        now_ms: int,
        seq: int,
        contract: Contract | None = None,
        more: Values | None = None,
        forced: Sequence[tuple[Contract, Forced]] = (),
        past: Sequence[Point] = (),
    ) -> Scope:
        """Everything a template may ask for. `contract` is whom the frame is about, `more` what was asked."""

        def listed() -> Iterator[Scope]:
            return (Scope({**plain, **self.item(c, now_ms)[0]}) for c in self.contracts(segment))

        def quoted() -> Iterator[Scope]:
            items = (self.item(c, now_ms) for c in self.contracts(segment))
            return (Scope({**plain, **values}) for values, is_quoted in items if is_quoted)

        def died() -> Iterable[Scope]:
            return (Scope({**plain, **of_contract(c), **of_forced(c, f)}) for c, f in forced)

        def before() -> Iterator[Scope]:
            for ts, opened, closed in past:
                assert contract is not None
                yield Scope({**plain, **fixed, **of_candle(contract, opened, closed), **of_time(ts, "ts")})

        fixed = {} if contract is None else of_contract(contract)

        minute = now_ms // 60_000
        running = {"minute_ms": minute * 60_000, "minute_s": minute * 60, "report_iso": reported(now_ms)}
        plain: Values = {**of_time(now_ms, "now"), **running, "seq": seq, **(more or {})}
        own = {} if contract is None else self.item(contract, now_ms)[0]
        return Scope({**plain, **own}, {"listed": listed, "quoted": quoted, "forced": died, "past": before})
