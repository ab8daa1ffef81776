import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_generated_parts_of_the_documents_are_up_to_date() -> None:
    run = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_fault_has_a_test_named_for_it() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    part = text.partition("<!-- generated: faults -->")[2].partition("<!-- end -->")[0]
    played = {
        number for row in part.splitlines() for number in re.findall(r"F\d\d", row.split("|")[1] if "|" in row else "")
    }
    assert sorted(played) == [f"F{n:02}" for n in range(1, 41)]
