import math

import numpy as np

from simulator.episodes import EVERY_MS, FADE_MS, KINDS, push, schedule
from simulator.history import DAY_MS, moments, past
from simulator.market import HOUR_MS, MINUTE_MS, Contract, Market

NOW = 1_795_300_000_000
VENUES = (("a", "speculative"), ("b", "speculative"), ("c", "mixed"), ("d", "institutional"))
CONTRACTS = [Contract(v, "linear", f"{a}USDT", a, cls) for v, cls in VENUES for a in ("BTC", "ETH")]
PLACES = [(v, cls, 1000.0) for v, cls in VENUES]


def market(**words: object) -> Market:
    return Market(CONTRACTS, seed=3, start_ms=NOW, **words)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_market_in_any_order() -> None:
    one, other = market(), market()
    later = one.quote("a", "linear", "BTCUSDT", NOW + 90_000)
    one.quote("a", "linear", "BTCUSDT", NOW)
    other.quote("b", "linear", "ETHUSDT", NOW - HOUR_MS)
    assert other.quote("a", "linear", "BTCUSDT", NOW + 90_000) == later


def test_another_seed_gives_another_market() -> None:
    other = Market(CONTRACTS, seed=4, start_ms=NOW)
    assert other.quote("a", "linear", "BTCUSDT", NOW).oi_base != market().quote("a", "linear", "BTCUSDT", NOW).oi_base


def test_history_runs_into_the_present_without_a_step() -> None:
    it = market()
    minute = NOW // MINUTE_MS * MINUTE_MS
    mark, coins = it.series(("a", "linear", "BTCUSDT"), np.array([minute]))
    now = it.quote("a", "linear", "BTCUSDT", minute)
    assert math.isclose(now.mark, mark[0], rel_tol=1e-3)
    assert math.isclose(now.oi_base, coins[0], rel_tol=1e-4)


def test_price_has_fat_tails_and_clustered_volatility() -> None:
    returns = np.diff(market().price_knots["BTC"])
    centred = returns - returns.mean()
    size = np.abs(returns)
    assert (centred**4).mean() / centred.var() ** 2 > 5
    assert np.corrcoef(size[1:], size[:-1])[0, 1] > 0.1


def test_the_recorded_past_is_daily_then_hourly_then_five_minutes() -> None:
    ts, step = moments(NOW)
    assert np.all(np.diff(ts) > 0)
    assert (NOW - ts[0]) / DAY_MS > 399
    assert NOW - ts[-1] <= 300_000
    assert set(step[ts > NOW - 7 * DAY_MS]) == {300_000}
    assert set(step[(ts > NOW - 90 * DAY_MS) & (ts < NOW - 7 * DAY_MS)]) == {3_600_000}
    assert set(step[ts < NOW - 91 * DAY_MS]) == {DAY_MS}
    assert len({len(p.ts) for p in past(market(), NOW)}) == 1


def test_many_moments_at_once_are_the_single_ones() -> None:
    it, contract = market(), CONTRACTS[0]
    key = (contract.venue, contract.segment, contract.symbol)
    ts = np.array([NOW - NOW % HOUR_MS + k * 20 * MINUTE_MS for k in range(-30, 1)], dtype=np.int64)
    mark, coins = it.series(key, ts)
    for k, t in enumerate(ts):
        (one_mark,), (one_coins,) = it.series(key, np.array([t]))
        assert (mark[k], coins[k]) == (one_mark, one_coins)
        assert math.isclose(coins[k], it.quote(*key, int(t)).oi_base, rel_tol=1e-4)
        assert it.fundings(contract, ts)[k] == it.funding(contract, int(t))


def test_a_past_since_a_moment_is_the_end_of_the_whole_past() -> None:
    whole, tail = next(past(market(), NOW)), next(past(market(), NOW, NOW - DAY_MS))
    assert list(tail.ts) == [t for t in whole.ts if t >= NOW - DAY_MS]
    assert list(tail.coins) == list(whole.coins[-len(tail.ts) :])


def test_a_rotation_moves_coins_and_makes_none() -> None:
    script = schedule(PLACES, "BTC", NOW)
    rotation = script.episodes[0]
    moved = {v: size * math.expm1(rotation.sizes[v]) for v, _, size in PLACES}
    assert rotation.kind == "rotation"
    assert math.isclose(sum(moved.values()), 0, abs_tol=1e-9)
    assert math.isclose(moved[rotation.leader], -80.0)


def test_every_kind_comes_in_turn_every_ten_minutes() -> None:
    script = schedule(PLACES, "BTC", NOW, count=10)
    assert [e.kind for e in script.episodes] == [*KINDS, *KINDS]
    assert {b.start_ms - a.start_ms for a, b in zip(script.episodes, script.episodes[1:], strict=False)} == {EVERY_MS}


def test_an_episode_rises_to_its_end_and_fades_after_it() -> None:
    e = schedule(PLACES, "BTC", NOW).episodes[0]
    assert push(e, e.start_ms) == 0
    assert push(e, e.end_ms) == 1
    assert push(e, e.end_ms + FADE_MS // 2) == 0.5
    assert push(e, e.end_ms + FADE_MS) == 0


def test_a_cascade_drops_price_and_size_and_kills_longs() -> None:
    script = schedule(PLACES, "BTC", NOW)
    cascade = next(e for e in script.episodes if e.kind == "cascade")
    calm, wild = market(), market(script=script)
    before = calm.quote("a", "linear", "BTCUSDT", cascade.end_ms)
    after = wild.quote("a", "linear", "BTCUSDT", cascade.end_ms)
    others = sum(e.sizes.get("a", 0) * push(e, cascade.end_ms) for e in script.episodes if e is not cascade)
    assert math.isclose(math.log(after.index / before.index), -0.05, rel_tol=1e-6)
    assert math.isclose(math.log(after.oi_base / before.oi_base), -0.14 + others, rel_tol=1e-6)
    deaths = wild.forced("a", "linear", "BTCUSDT", cascade.start_ms, cascade.end_ms)
    assert sum(d.base for d in deaths if d.side == "long") > 10 * sum(d.base for d in deaths if d.side == "short")
    assert [d.ts_ms for d in deaths] == sorted(d.ts_ms for d in deaths)


def test_forced_closes_do_not_depend_on_how_often_one_asks() -> None:
    it = market()
    whole = it.forced("a", "linear", "BTCUSDT", NOW, NOW + 600_000)
    parts = [
        f for k in range(60) for f in it.forced("a", "linear", "BTCUSDT", NOW + k * 10_000, NOW + (k + 1) * 10_000)
    ]
    assert parts == whole


def test_no_change_of_open_interest_is_larger_than_what_was_traded() -> None:
    it = market()
    for contract in it.contracts.values():
        for minute in range(NOW // MINUTE_MS, NOW // MINUTE_MS + 120):
            key = (contract.venue, contract.segment, contract.symbol)
            at, later = (it.quote(*key, t * MINUTE_MS) for t in (minute, minute + 1))
            assert at is not None
            assert later is not None
            assert abs(later.oi_base - at.oi_base) < at.volume_base
            assert 0 < at.taker_buy_base < at.volume_base


def test_volume_is_of_the_minute_and_not_of_the_moment() -> None:
    it = market()
    quotes = [it.quote("a", "linear", "BTCUSDT", NOW // MINUTE_MS * MINUTE_MS + s) for s in (0, 59_999, 60_000)]
    volumes = [q.volume_base for q in quotes if q is not None]
    assert volumes[0] == volumes[1] != volumes[2]
