"""Files in and out: by the daemon where one runs, alone where none does, and never across the line to a demo."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import anyio
import httpx2
import pytest

from collectors.venue import Venue
from server.daemon import DaemonError
from server.files import PATH, Job, Line, carry, leave
from server.settings import load
from store.records import Instrument
from tests.collectors.imports.made import ACME, BTC, VENUES
from tests.collectors.imports.test_metrics_zip import LINES, zipped
from tests.server.test_app import chosen, serving
from tests.server.test_main import crossoi
from tests.store.made import store_of, writing

pytestmark = pytest.mark.anyio
MAPPING = """
venue = "{venue}"
segment = "{segment}"
symbol = "BTCUSDT"
unit = "base"
sides = 1
time_unit = "iso"
resolution_s = 300
columns = {{time = "t", open_interest = "oi", mark = "p"}}

[[instruments]]
venue = "{venue}"
segment = "{segment}"
symbol = "BTCUSDT"
asset = "BTC"
quote = "USDT"
settle = "USDT"
payoff = "linear"
contract_size = 1
"""


async def carried(home: Path, job: Job, venues: tuple[Venue, ...] = (ACME,)) -> list[Line]:
    said: list[Line] = []
    await carry(chosen(home), job, venues, said.append)
    return said


def known(home: Path, instrument: Instrument = BTC) -> None:
    """A store that has listed this contract."""
    with store_of(home / "live" / "store.duckdb") as store, writing(store) as writer:
        writer.put(instrument)


async def test_without_a_daemon_the_command_opens_the_store_itself(tmp_path: Path) -> None:
    known(tmp_path)
    path = str(zipped(tmp_path / "m.zip", *LINES))
    (report,) = [line["report"] for line in await carried(tmp_path, Job((path,))) if "report" in line]
    assert (report["taken"], report["refused"], report["stored"]["readings"]) == (2, [], 2)
    out = tmp_path / "out.csv"
    assert {"exported": 2} in await carried(tmp_path, Job((str(out),), "readings", assets=("BTC",)))
    with out.open() as file:
        assert [(row["symbol"], row["raw"], row["source"]) for row in csv.DictReader(file)] == [
            ("BTCUSDT", "1000.0", "import"), ("BTCUSDT", "1010.5", "import"),
        ]  # fmt: skip
    wrong = (await carried(tmp_path, Job((str(tmp_path / "b.csv"),), "readings", assets=("BTX",))))[-1]
    assert wrong == {
        "error": "--assets: The store lists no BTX. Did you mean BTC? There is: BTC.", "misused": True,
    }  # fmt: skip
    assert not (tmp_path / "b.csv").exists()
    assert (await carried(tmp_path, Job((str(out),), "readings")))[-1] == {"error": f"{out} is there already."}


async def test_a_daemon_is_asked_and_tells_of_every_file(tmp_path: Path) -> None:
    """It knows its own venues only: here none, so that every row is refused, by its line."""
    known(tmp_path)
    path = str(zipped(tmp_path / "m.zip", *LINES))
    async with serving(chosen(tmp_path)):
        said = await carried(tmp_path, Job((path, path + "x")))
        told = [line["report"] for line in said if "report" in line]
        assert [(r["file"], r["refusals"][0]["line"], r["refusals"][0]["reason"]) for r in told] == [
            ("m.zip", 2, "no venue's file says what 'this archive' is"),
            ("m.zipx", 0, "the file cannot be read: No such file or directory"),
        ]
        out = tmp_path / "out.parquet"
        assert (await carried(tmp_path, Job((str(out),), "instruments")))[-1] == {"exported": 1}
        assert out.read_bytes()[:4] == b"PAR1"
        assert list((tmp_path / "live" / "jobs").iterdir()) == []


async def test_only_a_job_that_lies_in_the_home_is_done(tmp_path: Path) -> None:
    settings = chosen(tmp_path)
    async with serving(settings) as url, httpx2.AsyncClient(trust_env=False) as client:
        for body in ({"job": "../daemon.json"}, {"job": "0" * 32}, {"job": None}, {}, []):
            reply = await client.post(url + PATH, json=body)
            assert (reply.status_code, "no such job" in reply.json()["error"]) == (404, True)
        name = leave(settings.home, Job((str(tmp_path / "a.csv"),), "instruments"))
        assert (settings.home / "jobs" / name).stat().st_mode & 0o777 == 0o600
        foreign = await client.post(url + PATH, json={"job": name}, headers={"origin": "http://evil.example"})
        assert foreign.status_code == 403
        lines = (await client.post(url + PATH, json={"job": name})).text.splitlines()
        assert json.loads(lines[-1]) == {"exported": 0}
        assert (await client.post(url + PATH, json={"job": name})).status_code == 404


async def test_a_store_that_somebody_else_holds_is_told(tmp_path: Path) -> None:
    text = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    known(tmp_path)
    command = [sys.executable, "-c", text, str(tmp_path / "live" / "store.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:  # noqa: ASYNC220 - starts at once
        assert other.stdout is not None
        with anyio.fail_after(30):
            assert await anyio.to_thread.run_sync(other.stdout.readline) == "held\n"
        with pytest.raises(DaemonError, match=f"is in use by process {other.pid}"):
            await carried(tmp_path, Job(("x",)))
        other.communicate("")


async def test_real_rows_are_kept_out_of_a_demo(tmp_path: Path) -> None:
    said: list[Line] = []
    settings = load("demo", {}, {"CROSSOI_HOME": str(tmp_path)})
    await carry(settings, Job((str(zipped(tmp_path / "m.zip", *LINES)),)), list(VENUES.values()), said.append)
    assert said == [{"error": "These are real rows, and they never enter a demo store."}]


def test_the_command_reports_as_a_table_and_as_json_and_ends_with_1_where_a_row_was_refused(tmp_path: Path) -> None:
    from collectors.venues import VENUES as REAL

    venue, segment = next((v.id, s.id) for v in REAL.values() for s in v.segments)
    (tmp_path / "m.toml").write_text(MAPPING.format(venue=venue, segment=segment))
    good, bad = tmp_path / "a.csv", tmp_path / "b.csv"
    good.write_text("t,oi,p\n2026-11-01T00:05,1000,1e5\n2026-11-01T00:10,1010,1e5\n")
    bad.write_text("t,oi,p\n2026-11-01T00:05,1000,1e5\n2026-11-01T00:15,nan,1e5\n")
    mapped = ("--mapping", str(tmp_path / "m.toml"))
    dry = crossoi(tmp_path, "import", str(good), *mapped, "--dry-run", "--json")
    (report,) = json.loads(dry.stdout)
    assert (dry.returncode, report["dry_run"], report["taken"], report["stored"]["readings"]) == (0, True, 2, 2)
    done = crossoi(tmp_path, "import", str(good), str(bad), *mapped)
    assert done.returncode == 1
    assert [line.split() for line in done.stdout.splitlines()[1:]] == [
        ["a.csv", "table", "taken", "2", "-", "stored", "2", "readings"],
        ["b.csv", "table", "taken", "0", "-", "stored", "nothing"],
        ["b.csv", "table", "skipped", "1", "2", "in", "the", "store", "already"],
        ["b.csv", "table", "refused", "1", "3", "open_interest", "is", "not", "a", "finite", "number"],
    ]
    out = str(tmp_path / "o.csv")
    wrote = crossoi(tmp_path, "export", "readings", "--from", "2026-11-01T00:10", "--to", "2026-11-02", "--out", out)
    assert (wrote.returncode, wrote.stdout) == (0, f"1 rows of readings in {out}\n")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["import", "nobodys.csv"], "crossoi: there is no file nobodys.csv."),
        (["export", "readings", "--out", "a.csv", "--from", "soon"], "crossoi: --from: 'soon' is no time of a market"),
    ],
)
def test_a_wrong_command_ends_with_2(tmp_path: Path, args: list[str], words: str) -> None:
    done = crossoi(tmp_path, *args)
    assert (done.returncode, done.stdout, words in " ".join(done.stderr.split())) == (2, "", True)
