import json

import pytest

from simulator.template import Scope, TemplateError, compiled, contains, names

ROWS = [{"symbol": "AAA", "mark": 1.0, "says": {"kind": "perp"}}, {"symbol": "BBB", "says": {"kind": "dated"}}]
SCOPE = Scope(
    {
        "symbol": "BTCUSDT",
        "symbol_lower": "btcusdt",
        "oi_base": 26332.321,
        "mark": 60000.0,
        "funding": 1.25e-05,
        "now_ms": 1789458600630,
        "side": "short",
        "size_contracts": 124.0,
        "says": {"fundingInterval": 480},
        "request": {"id": 7, "args": ["x"]},
    },
    {"listed": lambda: [Scope(row) for row in ROWS]},
)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("tickers.{symbol}", "tickers.BTCUSDT"),
        ("{symbol_lower}@markPrice@1s", "btcusdt@markPrice@1s"),
        ('Invalid request: {"a": 1} {...}', 'Invalid request: {"a": 1} {...}'),
        ({"$": "oi_base", "x": 2, "as": "text", "dp": 3}, "52664.642"),
        ({"$": "oi_base", "as": "int"}, 26332),
        ({"$": "oi_base", "as": "number", "dp": 1}, 26332.3),
        ({"$": "mark"}, 60000.0),
        ({"$": "now_ms", "x": 0.001, "as": "int"}, 1789458601),
        ({"$": "now_ms", "as": "text"}, "1789458600630"),
        ({"$": "funding", "as": "text", "dp": 8}, "0.00001250"),
        ({"$": "side", "map": {"long": "Buy", "short": "Sell"}}, "Sell"),
        ({"$": "size_contracts", "x": {"by": "side", "long": 1, "short": -1}, "as": "text", "dp": 0}, "-124"),
        ({"$": "size_contracts", "x": {"by": "symbol", "ETHUSDT": 3, "else": 2}}, 248.0),
        ({"$": "size_contracts", "x": "oi_base"}, 124 * 26332.321),
        ([{"at": 0}, {"$each": "listed", "spread": True, "of": "{symbol}"}], [{"at": 0}, "AAA", "BBB"]),
        ({"$": "says.fundingInterval"}, 480),
        ({"$": "request.id"}, 7),
        ({"$": "request.req_id"}, None),
        ("id {request.req_id}", "id "),
        ({"$": "index", "as": "text", "else": "0.0"}, "0.0"),
        ({"$json": {"s": "{symbol}"}}, '{"s":"BTCUSDT"}'),
        ([1, None, True, {"a": []}], [1, None, True, {"a": []}]),
        ({"$each": "listed", "of": ["{symbol}", {"$": "mark"}]}, [["AAA", 1.0], ["BBB", None]]),
        ({"$each": "listed", "key": "{symbol}", "of": {"$": "mark"}}, {"AAA": 1.0, "BBB": None}),
        ({"$each": "listed", "where": {"says.kind": "dated"}, "of": "{symbol}"}, ["BBB"]),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_a_template_is_filled(template: object, value: object) -> None:
    assert compiled(template)(SCOPE) == value


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("tickers.{symbl}", r"\$: no value is called 'symbl'; did you mean 'symbol'\?"),
        ({"data": [{"oi": {"$": "oi_bse"}}]}, r"\$\.data\[0\]\.oi: .*'oi_bse'; did you mean 'oi_base'\?"),
        ({"$": "mark", "as": "decimal"}, r"'as' is one of"),
        ({"$": "mark", "dps": 2}, r"unknown keys \['dps'\] beside \$"),
        ({"$each": "instruments", "of": 1}, r"\$each goes over one of .*not 'instruments'"),
        ({"$each": "listed"}, r"\$each without 'of'"),
        ({"$each": "listed", "off": 1}, r"unknown keys \['off'\] beside \$each"),
        ({"$each": "listed", "where": {"kind": "x"}, "of": 1}, r"no value is called 'kind'"),
        ({"$": "mark", "x": {"long": 1}}, r"no value is called ''"),
        ({"$": "says"}, r"no value is called 'says'"),
    ],
)
def test_what_the_language_does_not_know_is_named_with_its_place(template: object, words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        compiled(template)


def test_a_word_that_the_script_forgot_raises_and_is_not_left_out() -> None:
    with pytest.raises(KeyError, match="status"):
        compiled({"$": "says.status"})(SCOPE)


def test_names_finds_every_value_in_use() -> None:
    assert names({"{symbol}": [{"$": "mark"}, "a{asset}b"], "k": {"$each": "past", "of": "{ts_ms}"}}) == {
        "symbol",
        "mark",
        "asset",
        "ts_ms",
    }


@pytest.mark.parametrize(
    ("pattern", "found", "fits"),
    [
        ({"op": "ping"}, {"op": "ping", "req_id": "1"}, True),
        ({"op": "ping"}, {"op": "pong"}, False),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, True),
        ({"a": {"b": 1}}, {"a": 1}, False),
        ("ping", "ping", True),
        ({}, "ping", False),
        ([1], [1, 2], False),
    ],
)
def test_a_pattern_may_leave_out_keys_of_objects_only(pattern: object, found: object, fits: bool) -> None:
    assert contains(pattern, found) is fits
