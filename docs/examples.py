"""Asks a running demo every question that docs/tools.md and the README show, and writes its answers there.

`crossoi demo` in one terminal, `python docs/examples.py [url]` in another, some minutes after its start. Long answers
are shortened, and say so.
"""

import ast
import re
import sys
from pathlib import Path
from typing import Any

import anyio
from mcp.client import Client

ROOT = Path(__file__).parent.parent
URL = "http://127.0.0.1:8788/mcp"
MOST_ROWS, WIDTH = 14, 225  # of a table, of a line
EXAMPLE = re.compile(r"(`(?P<call>\w+\([^`\n]*\))`\n\n```text\n).*?(\n```\n)", re.DOTALL)
FIRST = re.compile(r"(```text\n)SIMULATED DATA\..*?(\n```\n)", re.DOTALL)


async def answer(client: Client, call: str) -> str:
    """What the client is told as text; `call` as one would write it in Python, keywords only."""
    node = ast.parse(call, mode="eval").body
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    given: dict[str, Any] = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
    told = await client.call_tool(node.func.id, given)
    return "\n".join(block.text for block in told.content if block.type == "text")


def shortened(text: str, rows: int = MOST_ROWS) -> str:
    """No table longer than `rows`, no line wider than WIDTH."""
    out: list[str] = []
    run: list[str] = []
    for line in [*text.rstrip().replace("\t", "  ").splitlines(), ""]:
        if run and line.count("  ") == run[-1].count("  ") > 1:
            run.append(line)
            continue
        out += run if len(run) <= rows else [*run[:rows], f"... {len(run) - rows} rows more"]
        run = [line]
    return "\n".join(line if len(line) <= WIDTH else line[:WIDTH].rstrip() + " ..." for line in out).rstrip()


async def renew(url: str) -> None:
    async with Client(url) as client:
        page = ROOT / "docs" / "tools.md"
        text = page.read_text(encoding="utf-8")
        for found in list(EXAMPLE.finditer(text)):
            said = shortened(await answer(client, found["call"]))
            text = text.replace(found[0], f"{found[1]}{said}{found[3]}")
        page.write_text(text, encoding="utf-8")
        page = ROOT / "README.md"
        said = shortened(await answer(client, "get_open_interest()"), rows=7)
        text = page.read_text(encoding="utf-8")
        page.write_text(FIRST.sub(lambda found: found[1] + said + found[2], text, count=1), encoding="utf-8")


if __name__ == "__main__":
    anyio.run(renew, sys.argv[1] if len(sys.argv) > 1 else URL)
