"""What a venue answers over HTTP, without any IO."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulator.script import Contract, Past, Route
from simulator.template import Make, Scope, compiled, contains, names, value
from simulator.values import Point, Views, of_contract

Json = Any


@dataclass(frozen=True, slots=True)
class Asked:
    """One question. `url` without its query."""

    method: str
    url: str
    query: Mapping[str, str]
    body: Json = None


class Desk:
    """Answers for one venue."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.replies: list[tuple[Route, Make]] = [(r, compiled(r.reply)) for r in views.script.http]
        self.seq = 0

    def answer(self, asked: Asked, now_ms: int) -> tuple[bool, Json]:
        """(whether a route fits, its reply)"""
        for route, make in self.replies:
            if route.method == asked.method and (route.url == asked.url or names(route.url)):
                fits, contract = self.fit(route, asked)
                if fits:
                    return True, make(self.scope(route, asked, contract, now_ms))
        return False, None

    def fit(self, route: Route, asked: Asked) -> tuple[bool, Contract | None]:
        """Whether a route means this question, and the contract that it names."""
        pattern = {"url": route.url, "query": route.query, "body": route.body}
        found = {"url": asked.url, "query": dict(asked.query), "body": asked.body if route.body is not None else None}
        if not names(pattern):
            return contains(pattern, found), None
        fill = compiled(pattern)
        for contract in self.views.contracts(route.segment):
            if contains(fill(Scope(of_contract(contract))), found):
                return True, contract
        return False, None

    def scope(self, route: Route, asked: Asked, contract: Contract | None, now_ms: int) -> Scope:
        self.seq += 1
        more = {"query": dict(asked.query), "body": asked.body}
        past = self.past(route.past, contract, more, now_ms) if route.past is not None and contract is not None else ()
        return self.views.scope(route.segment, now_ms, self.seq, contract, more, past=past)

    def past(self, past: Past, contract: Contract, more: dict[str, Json], now_ms: int) -> Sequence[Point]:
        """The points of a history reply: never of the future, at most `limit`, in the venue's order.

        Each with what was so at its end, or now while it runs: candles close there.
        """
        quote = self.views.quote(contract, now_ms)
        if quote is None:
            return ()
        step_s = quote.funding_interval_h * 3600 if past.step_s == "funding_interval" else past.step_s
        step, edge = round(step_s * 1000), int(past.open)
        said = None if past.count is None else value(Scope(more), past.count)
        limit = past.limit if said is None else min(past.limit, int(said))
        end = min(moment(past.end, more, past.unit_ms, now_ms + edge) - edge, now_ms)
        start = moment(past.start, more, past.unit_ms, end // step * step - step * (limit - 1) - edge) + edge
        if past.newest_first:
            start = max(start, end - step * limit)
        else:
            end = min(end, start + step * limit)
        spot = self.views.script.venue, contract.segment, contract.symbol
        quotes = self.views.quotes
        opens = list(quotes.past(*spot, start, end, step))
        ends = [quote for _, quote in opens[1:]]
        ends += [quotes.quote(*spot, min(ts + step, now_ms)) or quote for ts, quote in opens[-1:]]
        points = [(ts, quote, later) for (ts, quote), later in zip(opens, ends, strict=True)]
        return points[::-1][:limit] if past.newest_first else points[:limit]


def moment(name: str | None, more: dict[str, Json], unit_ms: int, default: int) -> int:
    """What the client said under that name, in ms UTC."""
    found = None if name is None else value(Scope(more), name)
    if isinstance(found, str) and "T" in found:
        return round(datetime.fromisoformat(found).timestamp() * 1000)
    return default if found is None else round(float(found) * unit_ms)
