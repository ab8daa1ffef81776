"""Run the benches named, or all; print a table and keep bench/results.json. Exit 1 if a floor is missed."""

import sys
from importlib import import_module

from bench.figures import keep, show

BENCHES = ("decode", "socket", "ingest", "tools")


def main() -> int:
    names = sys.argv[1:] or list(BENCHES)
    if strange := [n for n in names if n not in BENCHES]:
        print(f"no bench {', '.join(strange)}; there are: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    figures = []
    for name in names:
        print(f"{name} ...", flush=True)
        figures += import_module(f"bench.{name}").run()
    show(figures)
    keep(figures)
    return int(any(f.reached is False for f in figures))


if __name__ == "__main__":
    sys.exit(main())
