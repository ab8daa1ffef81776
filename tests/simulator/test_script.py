from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.script import ScriptError, contracts, load, load_all
from tests.simulator.acme import acme, written


def test_a_script_gives_the_contracts_a_market_must_quote(tmp_path: Path) -> None:
    script = load(written(tmp_path, acme()))
    assert [c.symbol for c in contracts(script)] == ["BTC-P", "kPEPE-P", "BTC-I"]


def test_all_scripts_of_a_folder_are_found_by_name(tmp_path: Path) -> None:
    written(tmp_path, acme())
    assert list(load_all(tmp_path)) == ["acme"]


def rename(s: dict[str, Any]) -> None:
    s["venue"] = "other"


def misspell(s: dict[str, Any]) -> None:
    s["sockets"][0]["hear"][0]["topic"] = "args"


def forget(s: dict[str, Any]) -> None:
    del s["instruments"][1]["asset"]


def twice(s: dict[str, Any]) -> None:
    s["instruments"][1]["symbol"] = "BTC-P"


def quanto(s: dict[str, Any]) -> None:
    s["instruments"][0]["payoff"] = "quanto"


def lost(s: dict[str, Any]) -> None:
    s["http"][0]["segment"] = "spot"


def vague(s: dict[str, Any]) -> None:
    s["http"][1]["reply"] = {"rows": [{"oi": "{oi_contract}"}]}


def channel(s: dict[str, Any]) -> None:
    s["sockets"][0]["hear"][0]["channels"] = ["books"]


def dumb(s: dict[str, Any]) -> None:
    del s["sockets"][0]["channels"]["index"]["first"]


def hectic(s: dict[str, Any]) -> None:
    s["sockets"][0]["channels"]["index"]["every_s"] = 0


def stray(s: dict[str, Any]) -> None:
    s["expect"]["quotes"]["OLD-P"] = s["expect"]["quotes"]["BTC-P"]


def dead(s: dict[str, Any]) -> None:
    s["instruments"][0]["live"] = False


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (rename, r"acme\.json: \$\.venue: 'other' is not the name of the file"),
        (misspell, r"unknown field `topic` - at `\$\.sockets\[0\]\.hear\[0\]`"),
        (forget, r"missing required field `asset` - at `\$\.instruments\[1\]`"),
        (twice, r"\$\.instruments\[0\]\.symbol: BTC-P is listed twice"),
        (quanto, r"\$\.instruments\[0\]\.payoff: no market quotes quanto"),
        (lost, r"\$\.http\[0\]\.segment: no instrument is in 'spot'"),
        (vague, r"\$\.http\[1\]\.reply\.rows\[0\]\.oi: no value is called 'oi_contract'; did you mean 'oi_contracts'"),
        (channel, r"\$\.sockets\[0\]\.hear\[0\]\.channels: 'books' is none of"),
        (dumb, r"\$\.sockets\[0\]\.channels\.index: says nothing"),
        (hectic, r"\$\.sockets\[0\]\.channels\.index\.every_s: must be more than 0"),
        (stray, r"\$\.expect: 'OLD-P' is not among the instruments that are collected"),
        (dead, r"\$\.instruments\[0\]\.live: a delisted contract needs collect: false"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_malformed_script_is_an_error_with_its_place(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], None], words: str
) -> None:
    script = acme()
    spoil(script)
    with pytest.raises(ScriptError, match=words):
        load(written(tmp_path, script))


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "acme.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ScriptError, match=r"acme\.json: .*truncated"):
        load(path)
