"""Rewrites the generated parts of the documents from the code: `python docs/generate.py [--check]`."""

import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from collectors.budget import Want, shared
from collectors.missing import tells
from collectors.pace import LATE, rank
from collectors.venue import Ask, History, Poll, Segment, Socket, Venue, question
from collectors.venues import VENUES
from server import protocol
from server.tools import TOOLS, House
from store.records import Instrument, Kind

DOCS = Path(__file__).parent
FAULT = re.compile(r"test_((?:f\d\d_)*f\d\d)_(\w+)")
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def venues() -> str:
    rows = [
        (v.id, v.name, v.cls, segment.id, transport(feeds), ", ".join(sorted({g for f in feeds for g in f.gives})),
         ", ".join(dict.fromkeys(map(past, segment.history))) or "none", v.note)
        for v in VENUES.values() for segment in v.segments for feeds in [segment.feeds]
    ]  # fmt: skip
    return table(("venue", "name", "class", "segment", "open interest comes by", "gives", "history", "note"), rows)


def past(history: History) -> str:
    """What a history gives, how coarsely and how far back; funding is told as often as it was paid."""
    gives = " ".join(sorted(history.gives))
    return (
        f"{gives} for {history.depth:g} d"
        if tells(history, "funding")
        else (f"{gives} {history.step / 60:g} min for {history.depth:g} d")
    )


def transport(feeds: tuple[Socket | Poll, ...]) -> str:
    for feed in feeds:
        if "oi" in feed.gives:
            if isinstance(feed, Socket):
                return "stream"
            stated = "" if feed.cadence is None else f", of what is stated every {feed.cadence / 86_400:g} d"
            return f"poll, every {feed.every:g} s{stated}"
    return "files"


def fields() -> str:
    rows = [
        (v.id, str(f.key), str(f.unit), str(f.sides), str(f.status), f.since, f.evidence)
        for v in VENUES.values() for f in v.fields
    ]  # fmt: skip
    return table(("venue", "field", "unit", "sides", "status", "since", "how we know"), rows)


def archives() -> str:
    rows = [
        (f"`{a.name}`", f"{v.id} {segment.id}",
         "none" if a.field is None else f"`{a.field.key}`, {a.field.unit}, sides {a.field.sides}"
         + (f", until {a.until}" if a.until else ""),
         "none" if a.deaths is None else f"{a.deaths[0]}, {a.deaths[1]}",
         "none" if a.field is None or a.funding_since is None else since(a.funding_since), a.evidence)
        for v in VENUES.values() for segment in v.segments for a in segment.archives if a.format == "ticks"
    ]  # fmt: skip
    columns = ("exchange there", "venue and segment", "open interest", "forced closes", "funding", "beside that")
    return table(columns, rows)


def since(day: str) -> str:
    return f"since {day}" if day else "yes"


def bench() -> str:
    kept = json.loads((DOCS.parent / "bench" / "results.json").read_text(encoding="utf-8"))
    signs = {"higher": "at least", "lower": "at most"}
    rows = [
        (f["bench"], f["what"], f"{f['value']:.3g} {f['unit']}",
         "" if f["limit"] is None else f"{signs[f['better']]} {f['limit']:g}", f["note"])
        for f in kept["figures"]
    ]  # fmt: skip
    machine = ", ".join(f"{name} {value}" for name, value in kept["machine"].items())
    return f"Measured {kept['at'][:10]}: {machine}.\n\n" + table(("bench", "what", "value", "wanted", ""), rows)


def soak() -> str:
    """What bench/soak.py found on a whole daemon under load."""
    kept = json.loads((DOCS.parent / "bench" / "soak.json").read_text(encoding="utf-8"))
    rows = [(c["what"], c["measured"], c["wanted"], reached(c["reached"])) for c in kept["checks"]]
    said = (
        f"Measured {kept['at'][:10]} on {kept['cpus']} cpus: {kept['venues']} venues, {kept['instruments']} instruments"
    )
    said += f", {kept['rate']:,.0f} frames a second wanted{', a short run' if kept['short'] else ''}.\n\n"
    minutes = [tuple(f"{minute[name]:,.{dp}f}" for name, dp in COLUMNS.items()) for minute in kept["minutes"]]
    columns = tuple(name.replace("_mib", " [MiB]").replace("_ms", " [ms]").replace("_", " ") for name in COLUMNS)
    return said + table(("what", "measured", "wanted", "reached"), rows) + "\n" + table(columns, minutes)


COLUMNS = {
    "minute": 0, "sent": 0, "readings": 0, "rows": 0, "live": 0, "shed": 0, "gaps": 0, "wire_p99_ms": 0,
    "lag_p99_ms": 0, "answer_p99_ms": 0, "rss_mib": 0, "engine_mib": 0, "load_average": 1,
}  # fmt: skip
"""Of the minutes of a soak, and their decimal places."""


def tools() -> str:
    rows: list[tuple[str, ...]] = []
    for function in TOOLS:
        made = protocol.tool(function, cast(House, None))  # the house is for calls; nobody calls here
        first = (made.description or "").split("\n")[0]
        asked = made.parameters["properties"]
        rows.append((f"`{made.name}`", first, "<br>".join(argument(name, told) for name, told in asked.items())))
    return table(("tool", "answers", "arguments"), rows)


def argument(name: str, schema: dict[str, Any]) -> str:
    """What may be said for an argument; the default first."""
    default = schema.get("default")
    others = [f"`{choice}`" for choice in schema.get("enum", []) if choice != default]
    said = ", ".join([f"**`{default}`**" if default not in (None, "") else "", *others]).strip(", ")
    return (
        f"`{name}`"
        + (f" ({said})" if said else "")
        + f": {schema['description'][0].lower()}{schema['description'][1:]}"
    )


def faults() -> str:
    """A row a test: which faults it plays (its name begins with them), and what its name and its docstring say."""
    rows: list[tuple[str, ...]] = []
    for path in sorted((DOCS.parent / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (told := FAULT.match(node.name)):
                numbers = ", ".join(part.upper() for part in told[1].split("_"))
                words = (ast.get_docstring(node) or "").partition("\n")[0]
                where = path.relative_to(DOCS.parent).as_posix()
                rows.append((numbers, told[2].replace("_", " "), words, f"`{where}`"))
    return table(("fault", "what holds", "", "played in"), sorted(rows))


def rooms() -> str:
    """Every module with the first sentence of its docstring; venues, which are many and alike, as one line."""
    lines: list[str] = []
    for room in ("server", "collectors", "analytics", "store", "simulator"):
        lines.append(f"{room}/")
        for path in sorted((DOCS.parent / room).rglob("*.py")):
            name = path.relative_to(DOCS.parent / room).as_posix()
            if path.name == "__init__.py" or (name.startswith("venues/") and room == "collectors"):
                continue
            said = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split())
            first = re.split(r"(?<=[.?!])\s", said, maxsplit=1)[0]
            lines.append(f"  {name:<28}{first}")
        if room == "collectors":
            lines.append(f"  {'venues/<id>.py':<28}One file a venue: facts and a few pure functions.")
    return "```text\n" + "\n".join(lines) + "\n```\n"


def truth() -> str:
    """What bench/truth.py found on the market with known truth."""
    kept = json.loads((DOCS.parent / "bench" / "truth.json").read_text(encoding="utf-8"))
    rows = [
        (r["what"], "" if r["value"] is None else f"{r['value']:.3g}", r["wanted"], reached(r["reached"]), r["note"])
        for r in kept["rows"]
    ]
    days = f"{kept['seeds']} of 20 seeds, {kept['days']} days each, the first {kept['warm']} to learn from."
    return f"{days}\n\n" + table(("what", "measured", "wanted", "reached", ""), rows)


def nulls() -> str:
    """What bench/nulls.py found where there is nothing to find."""
    kept = json.loads((DOCS.parent / "bench" / "nulls.json").read_text(encoding="utf-8"))
    rows = [
        (r["rule"], r["world"], f"{r['rate']:.3f}", r["stated"], reached(r["kept"]), str(r["n"])) for r in kept["rows"]
    ]
    return table(("rule", "world", "measured", "stated", "kept", "draws"), rows)


def reached(said: bool | None) -> str:
    return {None: "", True: "yes", False: "no"}[said]


LISTED = {
    "aster": (200,), "binance": (460, 40), "bingx": (480, 20), "bitfinex": (70,), "bitget": (450, 30, 20),
    "bitmex": (100,), "bullish": (30,), "bybit": (530, 20), "coinbase": (150,), "cryptocom": (100,), "deribit": (4, 26),
    "dydx": (200,), "edgex": (200,), "gate": (595, 5), "htx": (180, 20), "hyperliquid": (190,), "kraken": (290, 10),
    "kucoin": (450,), "lighter": (130,), "mexc": (700,), "okx": (280, 20), "phemex": (390, 10),
}  # fmt: skip
"""Perpetuals that each segment lists, in the venue file's order: assumed, of the right size, and not counted."""


def wanted(segment: Segment, feed: Poll, n: int) -> tuple[str, Want]:
    """Of which budget, and how much of it."""
    some = Instrument("", segment.id, "BTC-USDT-SWAP", "BTC", "USDT", "USDT")
    ask = feed.ask if isinstance(feed.ask, Ask) else question(feed.ask, some, 1_800_000_000_000)
    n = 1 if isinstance(feed.ask, Ask) else n
    return ask.budget, Want(rank(feed), n * ask.weight, ask.weight, feed.every)


def polled(venue: Venue) -> list[tuple[Segment, Poll, tuple[str, Want]]]:
    segments = [segment for segment in venue.segments if segment.lists in (None, Kind.PERPETUAL)]
    counted = zip(segments, LISTED.get(venue.id, (0,) * len(segments)), strict=True)
    return [(s, f, wanted(s, f, n)) for s, n in counted for f in s.feeds if isinstance(f, Poll) and n]


def demand() -> str:
    """What polls of all perpetuals want of their venue's budget, and how often they get to ask."""
    rows: list[tuple[str, ...]] = []
    for venue in VENUES.values():
        everything = polled(venue)
        for budget in ("", *venue.limits.others):
            polls = [(s, f, want) for s, f, (of, want) in everything if of == budget]
            if polls:
                name, count = f"{venue.id}, {budget}" if budget else venue.id, " + ".join(map(str, LISTED[venue.id]))
                rows.append((name, count, *shares(polls, venue.limits.rate(budget))))
    columns = ("venue", "perpetuals, assumed", "open interest wants", "the rest wants", "budget", "asked less often")
    return table(columns, rows)


def shares(polls: list[tuple[Segment, Poll, Want]], rate: float) -> tuple[str, str, str, str]:
    """What the polls of one budget want, the budget, and who gets less."""
    gets = shared([want for _, _, want in polls], rate)
    first, other = (sum(w.weight / w.every for _, _, w in polls if (w.rank == 0) is now) for now in (True, False))
    slow = Counter(
        f"{s.id} {' '.join(sorted(f.gives))}: {w.every:g} s → {every:.0f} s"
        for (s, f, w), every in zip(polls, gets, strict=True)
        if every > LATE * w.every
    )
    told = "<br>".join(line + (f", {n} kinds" if n > 1 else "") for line, n in slow.items())
    return f"{first:.2f}", f"{other:.2f}", f"{rate:.2f}", told or "none"


PARTS: dict[str, Callable[[], str]] = {
    "venues": venues,
    "fields": fields,
    "archives": archives,
    "bench": bench,
    "soak": soak,
    "rooms": rooms,
    "tools": tools,
    "truth": truth,
    "nulls": nulls,
    "faults": faults,
    "demand": demand,
}


def renewed(text: str) -> str:
    return PART.sub(lambda m: m[1] + PARTS[m[2]]() + m[3], text)


def main() -> int:
    stale = []
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        new = renewed(text)
        if new != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(new, encoding="utf-8")
    if stale:
        print(("out of date: " if "--check" in sys.argv else "renewed: ") + ", ".join(stale))
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
