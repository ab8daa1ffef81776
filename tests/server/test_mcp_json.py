"""The three files that clients find in the repository, each under the name and key it looks for."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from server.settings import PORTS

ROOT = Path(__file__).parents[2]


def entries(name: str, key: str) -> dict[str, Any]:
    return json.loads((ROOT / name).read_text(encoding="utf-8"))[key]


def test_the_three_files_agree() -> None:
    assert (
        entries("mcp.json", "mcpServers")
        == entries(".mcp.json", "mcpServers")
        == entries(".vscode/mcp.json", "servers")
    )


def test_the_http_entry_names_the_live_daemon() -> None:
    assert entries("mcp.json", "mcpServers")["crossoi-http"]["url"] == f"http://127.0.0.1:{PORTS['live']}/mcp"


def test_the_first_entry_starts_a_command_that_the_distribution_has() -> None:
    entry = entries("mcp.json", "mcpServers")["crossoi"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert entry["command"] == "uvx"
    assert entry["args"][:2] == ["--from", "."]
    assert entry["args"][2] in project["scripts"]


def test_what_it_starts_speaks_the_protocol(tmp_path: Path) -> None:
    """The same arguments with this environment's own command, since uvx would build a new one."""
    args = entries("mcp.json", "mcpServers")["crossoi"]["args"][3:]
    command = [str(Path(sys.executable).with_name("crossoi")), *args, "--no-spawn"]
    ask = '{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}\n'
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"CROSSOI_HOME": str(tmp_path)}, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(ask)
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        process.stdin.close()
        assert process.wait(timeout=30) == 0
    assert "Start it with: crossoi serve" in answer["error"]["message"]
