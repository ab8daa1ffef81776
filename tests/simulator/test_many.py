from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from collectors.venues import VENUES
from simulator.fixed import Fixed
from simulator.many import names, widened
from simulator.rest import Asked, Desk
from simulator.script import load_all
from simulator.values import Views

NOW_MS = 1_795_305_600_000
SCRIPTS = load_all()


@pytest.mark.parametrize("id", [id for id in SCRIPTS if VENUES[id].closed_on is None])
def test_the_collectors_find_further_contracts_in_the_catalogue(id: str) -> None:
    script = widened(SCRIPTS[id], names(3))
    symbols = [c.symbol for c in script.instruments]
    assert len(set(symbols)) == len(symbols)
    desk = Desk(Views(script, Fixed({id: script})))
    for segment in VENUES[id].segments:
        ask = segment.catalogue
        parts = urlsplit(ask.url)
        query = dict(parse_qsl(parts.query))
        fits, answer = desk.answer(Asked(ask.method, f"https://{parts.netloc}{parts.path}", query, ask.body), NOW_MS)
        assert fits
        found = {i.symbol: i for i in segment.read(segment.decode(msgspec.json.encode(answer)))}
        for c in script.instruments:
            if c.segment == segment.id and c.asset in names(3):
                i = found[c.symbol]
                assert (i.asset, i.quote, i.settle, i.payoff) == (c.asset, c.quote, c.settle, c.payoff)
                assert (i.contract_size, i.base_factor, i.live) == (c.contract_size, c.base_factor, True)
                assert segment.owns(c.symbol)


def test_thirteen_further_assets_make_more_than_five_hundred_instruments() -> None:
    wide = [widened(script, names(13)) for id, script in SCRIPTS.items() if VENUES[id].closed_on is None]
    assert sum(c.collect and c.live for script in wide for c in script.instruments) >= 500


def test_a_venues_own_numbers_are_not_given_twice() -> None:
    for id, script in SCRIPTS.items():
        for key in script.numbered:
            numbers = [c.says[key] for c in widened(script, names(13)).instruments if key in c.says]
            assert len(set(numbers)) == len(numbers), f"{id} {key}"


def test_a_further_contract_has_a_price_of_its_own() -> None:
    script = widened(SCRIPTS["binance"], names(2))
    assert script.expect.quotes["SIMBUSDT"].mark == pytest.approx(1.1 * script.expect.quotes["SIMAUSDT"].mark)
