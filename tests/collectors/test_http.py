"""Questions over HTTP, politely."""

import email.utils
from collections.abc import Callable

import anyio
import pytest

from collectors.budget import Budget
from collectors.http import BlockedError, FailedError, Http, LimitedError, proxy, stated_wait
from collectors.venue import Ask, Limits, Venue
from store.records import Hold
from tests.collectors.toy import Exchange, Peer, Records, venue

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000_000
ASK = Ask("https://toy/oi")


async def silent(_: Peer) -> None:
    return


def exchange(*replies: tuple[int, dict[str, str], str]) -> Exchange:
    """Answers one after another; the last one for ever."""
    left = list(replies)
    return Exchange(silent, replies={"/oi": lambda: left.pop(0) if len(left) > 1 else left[0]})


def http(at: Exchange, records: Records, *holds: Hold, now: Callable[[], int] = lambda: NOW) -> Http:
    return Http(at.address, records, holds, timeout=1.0, now=now)


async def test_an_answer_is_its_body() -> None:
    async with exchange((200, {"Content-Type": "application/json"}, '{"a":1}')).open() as at:
        async with http(at, Records()) as client:
            assert await client.ask(venue(), ASK) == b'{"a":1}'
        assert [path for _, path in at.requests] == ["/oi?"]


async def test_retry_after_holds_the_whole_venue_and_no_other() -> None:
    records = Records()
    async with exchange((429, {"Retry-After": "7"}, "slow down"), (200, {}, "[]")).open() as at:
        async with http(at, records) as client:
            with pytest.raises(LimitedError, match="HTTP 429: slow down") as limited:
                await client.ask(venue(), ASK)
            assert limited.value.until == NOW + 7000
            with pytest.raises(LimitedError):
                await client.ask(venue(), ASK)
            with pytest.raises(LimitedError):
                await client.dial(venue())
            assert await client.ask(venue(id="other"), ASK) == b"[]"
        assert len(at.requests) == 2  # the refused one, and the other venue's
    assert records.all == [Hold("toy", NOW + 7000, "HTTP 429: slow down")]


async def test_a_hold_of_an_earlier_run_is_obeyed_until_it_ends() -> None:
    now = [NOW]
    async with (
        exchange((200, {}, "[]")).open() as at,
        http(at, Records(), Hold("toy", NOW + 5000, "banned"), now=lambda: now[0]) as client,
    ):
        with pytest.raises(LimitedError, match="banned"):
            await client.ask(venue(), ASK)
        now[0] += 5001
        assert await client.ask(venue(), ASK) == b"[]"


async def test_without_a_stated_wait_the_waits_double() -> None:
    now = [NOW]
    records = Records()
    async with (
        exchange((418, {}, ""), (429, {}, ""), (200, {}, "[]")).open() as at,
        http(at, records, now=lambda: now[0]) as client,
    ):
        for _ in range(2):
            with pytest.raises(LimitedError) as limited:
                await client.ask(venue(), ASK)
            now[0] = limited.value.until + 1
        assert await client.ask(venue(), ASK) == b"[]"
    first, second = records.of(Hold)
    assert first.until == NOW + 15_000
    assert second.until == first.until + 1 + 30_000


async def test_of_refusals_of_what_was_out_at_once_the_first_speaks_for_all() -> None:
    """Each of them doubling the next wait would make one refusal ten minutes."""
    records = Records()
    at = Exchange(silent, replies={"/oi": lambda: (429, {}, "slow down")}, far=0.1)

    async def asks(client: Http) -> None:
        with pytest.raises(LimitedError) as limited:
            await client.ask(venue(), ASK)
        assert limited.value.until == NOW + 15_000

    async with at.open(), http(at, records) as client, anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(asks, client)
    assert len(at.requests) == 6
    assert len(records.of(Hold)) == 1


@pytest.mark.parametrize(
    ("header", "words", "until"),
    [
        ("3", "", NOW + 3000),
        ("0.5", "", NOW + 500),
        (email.utils.formatdate((NOW + 60_000) / 1000, usegmt=True), "", NOW + 60_000),
        ("", f"Way too many requests; IP banned until {NOW + 9000}. Please use the websocket", NOW + 9000),
        ("3", f"banned until {NOW + 9000}", NOW + 9000),
        ("", "slow down", None),
        ("soon", "", None),
        ("", f"banned until {NOW - 9000}", None),
    ],
)
def test_how_a_venue_states_a_wait(header: str, words: str, until: int | None) -> None:
    assert stated_wait(header, words, NOW) == until


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ((451, {}, "not in your country"), BlockedError),
        ((403, {"Content-Type": "text/html"}, "<html>blocked</html>"), BlockedError),
        ((200, {"Content-Type": "text/html"}, "<html>blocked</html>"), BlockedError),
        ((200, {}, "<!DOCTYPE html><p>hm"), BlockedError),
        ((502, {"Content-Type": "text/html"}, "<html>bad gateway</html>"), FailedError),
        ((404, {}, "no such thing"), FailedError),
        ((403, {}, "access too frequent"), LimitedError),
        ((503, {"Retry-After": "2"}, "busy"), LimitedError),
    ],
)
async def test_what_is_no_answer_is_told_apart(reply: tuple[int, dict[str, str], str], error: type[Exception]) -> None:
    async with exchange(reply).open() as at, http(at, Records()) as client:
        with pytest.raises(error, match=f"HTTP {reply[0]}"):
            await client.ask(venue(), ASK)


async def test_no_server_and_no_answer_are_failures() -> None:
    at = Exchange(silent)
    async with at.open():
        pass
    async with http(at, Records()) as client:
        with pytest.raises(FailedError, match="ConnectError"):
            await client.ask(venue(), ASK)


async def test_used_weight_throttles_before_the_limit() -> None:
    toy: Venue = venue(limits=Limits(weight=10, per=0.4, used_header="X-Used"))
    async with exchange((200, {"X-Used": "10"}, "[]"), (200, {"X-Used": "1"}, "[]")).open() as at:
        async with Http(at.address, clock=at.clock) as client:
            await client.ask(toy, ASK)
            await client.ask(toy, ASK)
        (first, _), (second, _) = at.requests
    assert second - first >= 0.35  # our own count alone would have let it through


async def test_what_is_counted_apart_has_a_budget_of_its_own_and_leaves_the_weight_alone() -> None:
    limits = Limits(weight=1, per=0.6, used_header="X-Used", others={"apart": (1, 0.3)})
    toy, apart = venue(limits=limits), Ask("https://toy/oi", budget="apart")
    async with exchange((200, {"X-Used": "1"}, "[]")).open() as at:
        async with Http(at.address, clock=at.clock) as client:
            await client.ask(toy, apart)
            await client.ask(toy, ASK)
            await client.ask(toy, apart)
            await client.ask(toy, ASK)
            with pytest.raises(KeyError):
                await client.ask(toy, Ask("https://toy/oi", budget="of nobody"))
        first, second, third, fourth = (when for when, _ in at.requests)
    assert second - first < 0.25, "neither its question nor what its answer says is used of the weight"
    assert third - first >= 0.25
    assert fourth - second >= 0.55


async def test_a_wait_asked_for_by_what_is_counted_apart_holds_the_whole_venue() -> None:
    toy = venue(limits=Limits(others={"apart": (1, 1)}))
    async with exchange((418, {"Retry-After": "7"}, "banned"), (200, {}, "[]")).open() as at:
        async with http(at, Records()) as client:
            with pytest.raises(LimitedError):
                await client.ask(toy, Ask("https://toy/oi", budget="apart"))
            with pytest.raises(LimitedError):
                await client.ask(toy, ASK)
        assert len(at.requests) == 1


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("wss://fstream.example.com/ws", True),
        ("ws://127.0.0.1:8/ws", None),
        ("ws://localhost:8", None),
        ("ws://[::1]:8/ws", None),
    ],
)
def test_no_proxy_is_asked_for_the_loopback(url: str, taken: bool | None) -> None:
    assert proxy(url) is taken


async def test_a_question_to_the_loopback_passes_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALL_PROXY", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    async with exchange((200, {}, "[]")).open() as at, http(at, Records()) as client:
        assert await client.ask(venue(), ASK) == b"[]"


def test_a_budget_is_never_exceeded_in_any_window() -> None:
    now = [0.0]
    budget = Budget(3, 10.0, lambda: now[0])
    spent: list[float] = []
    for _ in range(9):
        now[0] += budget.wait(1)
        budget.note(1)
        spent.append(round(now[0], 3))
    assert spent == [0, 0, 0, 10, 10, 10, 20, 20, 20]
    now[0] = 25.0
    assert budget.wait(3) == pytest.approx(5.0)


async def test_a_question_dearer_than_the_budget_is_asked_alone() -> None:
    budget = Budget(3, 1000.0)
    with anyio.fail_after(30):
        await budget.spend(50)
    assert budget.wait(1) > 0


async def test_a_post_carries_its_body_as_json() -> None:
    async with exchange((200, {}, "[]")).open() as at, http(at, Records()) as client:
        with pytest.raises(FailedError):  # the toy speaks GET only, and says so by hanging up
            await client.ask(venue(), Ask("https://toy/oi", "POST", {"type": "meta"}))
