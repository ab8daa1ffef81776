"""The rules of the house, held by tests: rooms, sizes, names, packaging."""

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("server", "collectors", "analytics", "store", "simulator")
FILES = sorted(p for room in ROOMS for p in (ROOT / room).rglob("*.py"))
VENUE_FILES = sorted((ROOT / "collectors" / "venues").glob("[a-z]*.py"))
NAMES = {p.stem for p in VENUE_FILES}


def test_every_import_respects_the_rooms() -> None:
    run = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("path", [p for p in FILES if p not in VENUE_FILES], ids=lambda p: str(p.relative_to(ROOT)))
def test_shared_code_names_no_venue(path: Path) -> None:
    texts = {
        n.value
        for n in ast.walk(ast.parse(path.read_text()))
        if isinstance(n, ast.Constant) and isinstance(n.value, str)
    }
    assert not texts & NAMES
    rare = NAMES - {"gate", "lighter", "aster"}  # English words
    assert not {name for name in rare if re.search(rf"\b{name}\b", path.read_text(), re.IGNORECASE)}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    name = str(path.relative_to(ROOT))
    assert lines <= 300 or name in (ROOT / "docs" / "decisions.md").read_text(), f"{name} has {lines} lines"


@pytest.mark.parametrize("path", VENUE_FILES, ids=lambda p: p.stem)
def test_a_venue_is_a_small_thing(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    name = str(path.relative_to(ROOT))
    assert len(lines) <= 160 or name in (ROOT / "docs" / "decisions.md").read_text(), (
        f"{name} has {len(lines)} lines that say something: 150 are allowed, or a reason in docs/decisions.md"
    )


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), path


def test_the_lock_holds_hashes_and_no_index() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "--index" not in lock
    assert "://" not in lock
    wanted = re.findall(r"^[a-z0-9][a-z0-9._-]*==", lock, re.MULTILINE | re.IGNORECASE)
    assert len(wanted) > 30
    assert len(re.findall(r"--hash=sha256:", lock)) >= len(wanted)


def test_the_lock_answers_every_requirement_of_the_project() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lock = (ROOT / "requirements.lock").read_text().lower()
    names = [
        re.split(r"[\[<>=;! ]", word)[0]
        for word in project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    ]
    assert not [name for name in names if f"\n{name.lower()}==" not in f"\n{lock}"]


def test_the_wheel_carries_its_data(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True, capture_output=True,
    )  # fmt: skip
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    scripts = {f"simulator/venues/{p.name}" for p in (ROOT / "simulator" / "venues").glob("*.json")}
    pages = {str(p.relative_to(ROOT)) for p in (ROOT / "server" / "web").rglob("*") if p.is_file()}
    assert {"store/schema.sql", *(f"{room}/py.typed" for room in ROOMS)} | scripts | pages <= names
    assert not [n for n in names if n.startswith(("tests/", "bench/"))]
