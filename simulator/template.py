"""Frames and replies from JSON templates, without eval. `simulator/README.md` describes the language."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeGuard

Make = Callable[["Scope"], Any]
Json = Any

HOLE = re.compile(r"\{([a-z_]+(?:\.[A-Za-z0-9_.-]+)?)\}")
FREE = ("says", "request", "query", "body", "asked")  # values whose names the venue or the client chose
CONTRACT = frozenset(
    ["symbol", "symbol_lower", "segment", "asset", "quote", "settle", "contract_size", "base_factor", "max_leverage"]
)
LEVELS = ("mark", "index", "last", "oi_base", "oi_usd", "oi_contracts")
KNOWN = CONTRACT | frozenset(
    [
        *LEVELS, *(f"{end}_{name}" for end in ("close", "high", "low") for name in LEVELS),
        "funding", "funding_interval_h", "next_funding_ms", "later_funding_ms",
        *(f"{what}_{unit}" for what in ("volume", "taker_buy", "taker_sell") for unit in ("base", "contracts", "usd")),
        "now_ms", "now_s", "now_iso", "minute_ms", "minute_s", "report_iso", "seq", "ts_ms", "ts_s", "ts_iso",
        "side", "size_base", "size_contracts", "size_usd", "price", "topic", "accepted",
    ]
)  # fmt: skip
GROUPS = frozenset(["listed", "quoted", "past", "forced"])
LEAF = frozenset(["$", "x", "as", "dp", "map", "else"])
KINDS = frozenset(["text", "number", "int"])


class TemplateError(ValueError):
    """A template that says something the language does not know; the message begins with its place."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The values a template can see, and the groups it can go over. A value may be a function: asked only if needed."""

    values: Mapping[str, Any]
    groups: Mapping[str, Callable[[], Iterable["Scope"]]] = field(default_factory=dict[str, Any])

    def within(self, values: Mapping[str, Any]) -> "Scope":
        return Scope({**self.values, **values}, self.groups)


def value(scope: Scope, name: str) -> Any:
    """What a name stands for. None where the client or the market did not say; KeyError where a script misses it."""
    head, _, rest = name.partition(".")
    if not rest:
        return scope.values.get(name)
    found: Any = scope.values.get(head)
    for key in rest.split("."):
        if head == "says" and found is not None:
            found = found[key]
            continue
        found = found.get(key) if isinstance(found, dict) else None
    return found


def names(template: Json) -> set[str]:
    """Every value that a template uses."""
    if isinstance(template, str):
        return set(HOLE.findall(template))
    if isinstance(template, list):
        return set().union(*map(names, template))
    if isinstance(template, dict):
        own = {template["$"]} if "$" in template else set[str]()
        return own.union(*map(names, template.keys()), *map(names, template.values()))
    return set()


def compiled(template: Json, place: str = "$") -> Make:
    """A function that fills the template. TemplateError names the place of what cannot be understood."""
    if isinstance(template, str):
        return text(template, place)
    if isinstance(template, list):
        makes = [compiled(item, f"{place}[{n}]") for n, item in enumerate(template)]
        if any(spread(item) for item in template):
            wide = [spread(item) for item in template]
            return lambda scope: [
                one for make, many in zip(makes, wide, strict=True) for one in within(make(scope), many)
            ]
        return lambda scope: [make(scope) for make in makes]
    if not isinstance(template, dict):
        return lambda _: template
    if "$" in template:
        return leaf(template, place)
    if "$each" in template:
        return each(template, place)
    if "$json" in template:
        inner = compiled(template["$json"], f"{place}.$json")
        return lambda scope: json.dumps(inner(scope), separators=(",", ":"))
    pairs = [(text(key, place), compiled(item, f"{place}.{key}")) for key, item in template.items()]
    return lambda scope: {key(scope): make(scope) for key, make in pairs}


def spread(item: Json) -> bool:
    """Whether an item of a list stands for several of its items."""
    return isinstance(item, dict) and item.get("spread") is True


def within(made: Json, many: bool) -> Iterable[Json]:
    return made if many else (made,)


def text(template: str, place: str) -> Make:
    parts = HOLE.split(template)
    if len(parts) == 1:
        return lambda _: template
    for name in parts[1::2]:
        check(name, place)

    def fill(scope: Scope) -> str:
        return "".join(shown(value(scope, part)) if n % 2 else part for n, part in enumerate(parts))

    return fill


def shown(found: Any) -> str:
    return "" if found is None else str(found)


def leaf(template: dict[str, Any], place: str) -> Make:
    name, kind, dp = template["$"], template.get("as"), template.get("dp")
    factor, words, missing = template.get("x", 1), template.get("map"), template.get("else")
    check(name, place)
    if unknown := set(template) - LEAF:
        raise TemplateError(f"{place}: unknown keys {sorted(unknown)} beside $; known: {sorted(LEAF)}")
    if kind is not None and kind not in KINDS:
        raise TemplateError(f"{place}: 'as' is one of {sorted(KINDS)}, not {kind!r}")
    if isinstance(factor, dict | str):
        check(factor.get("by", "") if isinstance(factor, dict) else factor, place)

    def fill(scope: Scope) -> Any:
        found = value(scope, name)
        if found is None:
            return missing
        if words is not None:
            return words[found]
        if not numeric(found):
            return found
        number = found * times(factor, scope)
        if kind == "text":
            return f"{number:.{dp}f}" if dp is not None else repr(number)
        if kind == "int":
            return round(number)
        return round(number, dp) if dp is not None else number

    return fill


def times(factor: dict[str, Any] | str | float, scope: Scope) -> float:
    """A factor: itself, a value, or the one that a value decides. KeyError where a script has neither it nor `else`."""
    if isinstance(factor, str):
        return value(scope, factor)
    if isinstance(factor, dict):
        of = value(scope, factor["by"])
        return factor[of] if of in factor else factor["else"]
    return factor


def numeric(found: Any) -> TypeGuard[float]:
    return isinstance(found, int | float) and not isinstance(found, bool)


def each(template: dict[str, Any], place: str) -> Make:
    group, where, key = template["$each"], template.get("where", {}), template.get("key")
    if group not in GROUPS:
        raise TemplateError(f"{place}: $each goes over one of {sorted(GROUPS)}, not {group!r}")
    if unknown := set(template) - {"$each", "of", "key", "where", "spread"}:
        raise TemplateError(f"{place}: unknown keys {sorted(unknown)} beside $each")
    if "spread" in template and "key" in template:
        raise TemplateError(f"{place}: an object cannot be spread in a list")
    if "of" not in template:
        raise TemplateError(f"{place}: $each without 'of'")
    for name in where:
        check(name, place)
    wanted = {name: compiled(want, f"{place}.where.{name}") for name, want in where.items()}
    inner = compiled(template["of"], f"{place}.of")
    naming = None if key is None else text(key, f"{place}.key")

    def fill(scope: Scope) -> Any:
        items = (
            item
            for item in scope.groups[group]()
            if all(value(item, name) == want(scope) for name, want in wanted.items())
        )
        if naming is None:
            return [inner(item) for item in items]
        return {naming(item): inner(item) for item in items}

    return fill


def check(name: str, place: str) -> None:
    head, dot, _ = name.partition(".")
    if name in KNOWN or (head in FREE and dot):
        return
    near = get_close_matches(name, sorted(KNOWN), 1)
    raise TemplateError(f"{place}: no value is called {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def contains(pattern: Json, found: Json) -> bool:
    """Whether all that a pattern says is so: objects may hold more, everything else is equal."""
    if isinstance(pattern, dict):
        return isinstance(found, dict) and all(k in found and contains(p, found[k]) for k, p in pattern.items())
    return pattern == found
