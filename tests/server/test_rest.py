from typing import Annotated, Literal, cast

import httpx2
import pytest
from pydantic import Field

from server import protocol
from server.answers import Answer
from server.rest import add_routes
from server.tools.house import House
from store.reader import Reader

pytestmark = pytest.mark.anyio


def answer(words: str) -> Answer:
    return Answer(summary=words, as_of="1970-01-01T00:00:01Z", simulated=False)


def get_status(house: House) -> Answer:
    """Fail."""
    raise ZeroDivisionError("secret words")


def get_open_interest(house: House, asset: str = "BTC", limit: Annotated[int, Field(ge=1)] = 10) -> Answer:
    """Repeat."""
    return answer(f"{asset} {limit + 1}")


def get_chart_value(house: House, metric_id: str, timeframe: Literal["24h", "90d", "1y"] = "24h") -> Answer:
    """Repeat."""
    return answer(f"{metric_id} {timeframe}")


def client() -> httpx2.AsyncClient:
    house = House(reader=cast(Reader, None), simulated=False, version="1", started=0, now=lambda: 1_000)
    functions = (get_status, get_open_interest, get_chart_value)
    server = protocol.build(functions, house, "1")
    add_routes(server, [function.__name__ for function in functions], {"version": "1"})
    transport = httpx2.ASGITransport(app=server.streamable_http_app())
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8787")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/v1/open-interest", 200, "BTC 11"),
        ("/api/v1/open-interest?asset=ETH&limit=3", 200, "ETH 4"),
        ("/api/v1/open-interest?limit=0", 400, "limit: Input should be greater than or equal to 1, got '0'."),
        ("/api/v1/open-interest?aset=ETH", 400, "aset: unknown parameter. Did you mean asset?"),
        ("/api/v1/exchange-intelligence/some-metric/history?days=90", 200, "some-metric 90d"),
        ("/api/v1/exchange-intelligence/some-metric/history?days=365", 200, "some-metric 1y"),
        ("/api/v1/exchange-intelligence/some-metric/history", 200, "some-metric 24h"),
        ("/api/v1/exchange-intelligence/some-metric/history?days=12", 400, "days: '12' is not served. Valid: 1, 7, 30"),
        ("/api/v1/status", 500, "get_status failed; the daemon's log has the details."),
    ],
)
async def test_a_path_is_answered_as_its_tool_would(path: str, status: int, words: str) -> None:
    async with client() as asking:
        reply = await asking.get(path)
    told = reply.json()
    assert reply.status_code == status
    assert words in (told["summary"] if status == 200 else told["error"])
    assert "secret" not in reply.text


async def test_a_route_without_its_tool_is_not_served() -> None:
    async with client() as asking:
        assert (await asking.get("/api/v1/charts")).status_code == 404
