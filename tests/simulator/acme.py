"""A made-up venue that uses every word of the script's language."""

import json
from pathlib import Path
from typing import Any

from simulator.script import Script, load

WS = "wss://ws.acme.example/v1"
REST = "https://api.acme.example/v1"
NOW_MS = 1_789_459_200_000  # a whole hour


def acme() -> dict[str, Any]:
    """The script as JSON; a new one for each caller."""
    return {
        "venue": "acme",
        "source": ["made up"],
        "instruments": [
            instrument("BTC-P", "linear", "BTC", says={"kind": "swap"}),
            instrument("kPEPE-P", "linear", "PEPE", base_factor=1000, contract_size=10, says={"kind": "swap"}),
            instrument("BTC-D", "linear", "BTC", collect=False, says={"kind": "dated"}),
            instrument("OLD-P", "linear", "OLD", collect=False, live=False, says={"kind": "swap"}),
            instrument("BTC-I", "inverse", "BTC", settle="BTC", payoff="inverse", contract_size=100, says={}),
        ],
        "http": [
            {"url": f"{REST}/list", "segment": "linear", "reply": {"$each": "listed", "of": "{symbol}"}},
            {
                "url": f"{REST}/oi",
                "query": {"symbol": "{symbol}"},
                "reply": {"oi": {"$": "oi_contracts"}, "asked": {"$": "query.symbol"}},
            },
            {"url": f"{REST}/of/{{symbol}}/oi", "segment": "inverse", "reply": {"$": "oi_contracts"}},
            {
                "url": f"{REST}/info",
                "method": "POST",
                "body": {"type": "marks"},
                "segment": "linear",
                "reply": {"$each": "quoted", "key": "{symbol}", "of": {"$": "mark", "as": "text", "dp": 4}},
            },
            {
                "url": f"{REST}/past",
                "query": {"symbol": "{symbol}"},
                "past": {
                    "start": "query.from",
                    "end": "query.to",
                    "count": "query.n",
                    "unit_ms": 1000,
                    "step_s": 300,
                    "limit": 3,
                },
                "reply": {"$each": "past", "of": {"$": "ts_s"}},
            },
            {
                "url": f"{REST}/paid",
                "query": {"symbol": "{symbol}"},
                "past": {"step_s": "funding_interval", "limit": 3, "newest_first": True},
                "reply": {"$each": "past", "of": {"$": "ts_ms"}},
            },
            {
                "url": f"{REST}/newest",
                "query": {"symbol": "{symbol}"},
                "past": {"end": "query.end", "step_s": 300, "limit": 3, "newest_first": True, "open": True},
                "reply": {"$each": "past", "of": {"$": "ts_ms"}},
            },
        ],
        "sockets": [
            {
                "url": WS,
                "greeting": "hello",
                "heartbeat": {"ours": "ping", "theirs": "pong", "within_s": 30},
                "asks": {"theirs": {"are": "you there"}, "every_s": 20, "ours": {"i": "am"}, "after": {"op": "watch"}},
                "hear": [
                    {
                        "match": {"op": "sub"},
                        "topics": "args",
                        "channels": ["book"],
                        "ack": {"ok": {"$": "accepted"}, "id": {"$": "request.id"}},
                        "refuse": {"bad": "{topic}"},
                    },
                    {
                        "match": {"op": "each"},
                        "topics": "args",
                        "each": True,
                        "ack": {"ok": {"$": "topic"}},
                        "refuse": {"bad": {"$": "topic"}},
                    },
                    {"match": {"op": "pair"}, "topics": "args", "whole": True, "ack": {"ok": True}},
                    {"match": {"op": "unsub"}, "topics": "args", "ends": True, "ack": {"bye": True}},
                    {"match": {"op": "watch"}, "ack": {"watching": True}},
                ],
                "channels": {
                    "book": {
                        "form": "book.{symbol_lower}",
                        "every_s": 1,
                        "first": {"full": "{symbol}", "oi": {"$": "oi_base"}},
                        "next": [{"delta": 1}, {"delta": 2}],
                    },
                    "index": {"form": {"ch": "index", "of": "{asset}"}, "every_s": 2, "first": {"$": "index"}},
                    "pairs": {"form": ["{symbol}", "1m"], "every_s": 60, "first": "{symbol} 1m"},
                    "all": {"form": "all", "every_s": 1, "first": {"$each": "quoted", "of": "{symbol}"}},
                    "apart": {
                        "form": "apart",
                        "every_s": 1,
                        "split": True,
                        "first": {"$each": "quoted", "where": {"asset": "BTC"}, "of": {"of": "{symbol}"}},
                    },
                    "deaths": {
                        "form": "deaths",
                        "every_s": 1,
                        "forced": {"$each": "forced", "of": ["{symbol}", "{side}", {"$": "size_contracts"}]},
                    },
                    "death": {
                        "form": "death.{symbol}",
                        "every_s": 1,
                        "each_forced": {"died": {"$": "size_base"}, "at": {"$": "ts_ms"}},
                    },
                },
            }
        ],
        "expect": {
            "now_ms": NOW_MS,
            "quotes": {"BTC-P": figures(60_000, 100), "kPEPE-P": figures(0.0125, 5e6), "BTC-I": figures(50_000, 20)},
            "readings": [],
            "forced": [
                {"symbol": "BTC-I", "ts_ms": NOW_MS - 400, "side": "short", "base": 0.5, "price": 50_000},
                {"symbol": "kPEPE-P", "ts_ms": NOW_MS - 500, "side": "long", "base": 30_000, "price": 0.012},
                {"symbol": "kPEPE-P", "ts_ms": NOW_MS - 300, "side": "long", "base": 10_000, "price": 0.012},
            ],
        },
    }


def instrument(symbol: str, segment: str, asset: str, **more: Any) -> dict[str, Any]:
    plain = {"symbol": symbol, "segment": segment, "asset": asset, "quote": "USD", "settle": "USDC", "payoff": "linear"}
    return {**plain, **more}


def figures(mark: float, coins: float) -> dict[str, float]:
    return {"mark": mark, "index": mark * 1.5, "last": mark, "oi_base": coins}


def written(folder: Path, script: dict[str, Any]) -> Path:
    path = folder / "acme.json"
    path.write_text(json.dumps(script), encoding="utf-8")
    return path


def loaded(folder: Path) -> Script:
    return load(written(folder, acme()))
