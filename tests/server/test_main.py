"""The command line as a user meets it: exit statuses, and words on the right stream."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.__main__ import show
from server.settings import venue_names
from simulator.faults import KINDS

VENUE = max(venue_names(), key=len)
MISSPELT = VENUE[:-2] + VENUE[-1]


def crossoi(home: Path, *args: str, feed: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "CROSSOI_HOME": str(home), "TERM": "dumb", "COLUMNS": "200"}
    command = [sys.executable, "-P", "-m", "server", *args]
    return subprocess.run(command, input=feed, capture_output=True, text=True, env=env, timeout=60, check=False)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["srve"], "Did you mean 'serve'?"),
        (["serve", "--prt", "3"], "--port"),
        (["serve", "--venues", MISSPELT], f"unknown venue {MISSPELT!r}. Did you mean {VENUE}"),
        (["serve", "--assets", "BTC-PERP"], "'BTC-PERP' is a symbol, not an asset. Did you mean BTC?"),
        (["serve", "--port", "99999"], "--port: wants a whole number from 0 to 65535"),
        (["decode", MISSPELT], f"unknown venue {MISSPELT!r}. Did you mean {VENUE}"),
        (["backfill", VENUE, MISSPELT], f"crossoi: unknown venue {MISSPELT!r}. Did you mean {VENUE}"),
        (["backfill", "--dryrun"], "--dry-run"),
    ],
)
def test_a_wrong_command_ends_with_2_and_says_what_may_be_meant(tmp_path: Path, args: list[str], words: str) -> None:
    done = crossoi(tmp_path / "home", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "home").exists()


def test_nothing_is_exported_of_a_store_that_is_not_there_and_none_is_made(tmp_path: Path) -> None:
    done = crossoi(tmp_path / "home", "export", "readings", "--out", str(tmp_path / "a.csv"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no store yet" in done.stderr
    assert not (tmp_path / "home").exists()
    assert not (tmp_path / "a.csv").exists()


def test_a_malformed_configuration_ends_with_2_and_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("assets = ['BTC']\nvenus = []\n")
    done = crossoi(tmp_path, "serve")
    assert done.returncode == 2
    assert "config.toml line 2: unknown key 'venus'. Did you mean venues?" in done.stderr


def test_the_version_is_printed(tmp_path: Path) -> None:
    done = crossoi(tmp_path, "--version")
    assert (done.returncode, done.stdout.count(".")) == (0, 2)


def test_status_without_a_daemon_says_how_to_start_it(tmp_path: Path) -> None:
    done = crossoi(tmp_path, "status")
    assert done.returncode == 1
    assert "The crossoi live daemon is not running. Start it with: crossoi serve" in done.stderr
    assert "crossoi demo" in crossoi(tmp_path, "status", "--demo").stderr


def test_frames_are_decoded_line_by_line_and_a_broken_line_is_told(tmp_path: Path) -> None:
    done = crossoi(tmp_path, "decode", VENUE, feed='{"raw": "{", "transport": "ws"}\n{"raw": "[]"}\n')
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [set(line) for line in lines] == [{"updates", "liquidations", "ignored", "error"}] * 2
    assert lines[0]["error"]


def test_venues_are_listed_as_a_table_and_as_json(tmp_path: Path) -> None:
    told = json.loads(crossoi(tmp_path, "venues", "--json").stdout)
    assert {row["venue"] for row in told} == set(venue_names())
    assert VENUE in crossoi(tmp_path, "venues").stdout


def test_a_fault_of_an_unknown_venue_or_kind_ends_with_2(tmp_path: Path) -> None:
    done = crossoi(tmp_path, "demo", "--fault", f"{VENUE}=dwn@5s")
    assert done.returncode == 2
    assert "did you mean down?" in done.stderr
    assert crossoi(tmp_path, "demo", "--fault", f"{MISSPELT}=down").returncode == 2


def test_a_table_says_brackets_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    show(("why",), [["state it under [[instruments]] of a mapping"]])
    assert "state it under [[instruments]] of a mapping" in capsys.readouterr().out


def test_the_demo_names_every_fault_that_it_takes(tmp_path: Path) -> None:
    told = " ".join(crossoi(tmp_path, "demo", "--help").stdout.replace("│", " ").split())
    assert f"Faults: {', '.join(KINDS)}." in told
