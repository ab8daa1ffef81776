from dataclasses import fields
from pathlib import Path

import pytest

from analytics.settings import Settings as Thresholds
from collectors.board import DOLLARS
from server.app import what
from server.settings import Settings, SettingsError, load, venue_names

KNOWN = ("northern", "southern")


def read(
    home: Path, text: str = "", mode: str = "live", env: dict[str, str] | None = None, **flags: object
) -> Settings:
    if text:
        (home / "config.toml").write_text(text)
    dotted = {key.replace("__", "."): value for key, value in flags.items()}
    return load(mode, dotted, {"CROSSOI_HOME": str(home), **(env or {})}, KNOWN)  # type: ignore[arg-type]


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    got = read(tmp_path)
    assert (got.port, got.host, got.assets, got.venues, got.raw_days) == (
        8787,
        "127.0.0.1",
        ("BTC", "ETH", "SOL"),
        None,
        30,
    )
    assert got.store == tmp_path / "live" / "store.duckdb"


def test_real_and_simulated_data_live_in_different_folders_and_ports(tmp_path: Path) -> None:
    live, demo = read(tmp_path), read(tmp_path, mode="demo")
    assert (live.home.name, live.port, demo.home.name, demo.port) == ("live", 8787, "demo", 8788)


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    text = "[http]\nport = 1000\n[store]\nraw_days = 5\n[poll.northern]\nevery_s = 7.5\n"
    env = {"CROSSOI_HTTP_PORT": "2000", "CROSSOI_STORE_RAW_DAYS": "6"}
    got = read(tmp_path, text, env=env, http__port=3000)
    assert (got.port, got.raw_days, got.poll_every_s) == (3000, 6, {"northern": 7.5})
    assert read(tmp_path, text, env=env, http__port=None).port == 2000
    assert read(tmp_path, text).port == 1000


def test_the_demo_does_not_take_the_live_port_or_store_from_the_file(tmp_path: Path) -> None:
    text = 'assets = ["BTC"]\n[http]\nport = 1000\n[store]\nurl = "elsewhere.duckdb"\n'
    got = read(tmp_path, text, mode="demo")
    assert (got.port, got.store_url, got.assets) == (8788, None, ("BTC",))
    assert read(tmp_path, text, mode="demo", http__port=9).port == 9


def test_how_long_a_step_waits_for_rest_can_be_set(tmp_path: Path) -> None:
    assert what(read(tmp_path), False).unanswered_s == 3600
    assert what(read(tmp_path, "[checks]\nunanswered_s = 600\n"), False).unanswered_s == 600
    with pytest.raises(SettingsError, match="wants a number from 60 to 604800, not 5"):
        read(tmp_path, "[checks]\nunanswered_s = 5\n")


def test_what_counts_as_a_jump_and_how_long_it_waits_can_be_set(tmp_path: Path) -> None:
    assert (what(read(tmp_path), False).jump, what(read(tmp_path), False).confirm_s) == (0.2, 600)
    got = what(read(tmp_path, "[checks]\njump = 0.35\nconfirm_s = 120\n"), False)
    assert (got.jump, got.confirm_s) == (0.35, 120)
    with pytest.raises(SettingsError, match=r"checks.jump: wants a number from 0.01 to 2, not 20"):
        read(tmp_path, "[checks]\njump = 20\n")


def test_what_a_quote_currency_is_worth_can_be_set(tmp_path: Path) -> None:
    assert what(read(tmp_path), False).dollars == DOLLARS
    got = read(tmp_path, "[rates]\nusdt = 0.997\n")
    assert what(got, False).dollars == {"USD": 1.0, "USDT": 0.997, "USDC": 1.0}
    assert got.rates == {"USDT": 0.997, "USDC": 1.0}
    with pytest.raises(SettingsError, match=r"rates.usdc: wants a number from 0.5 to 2, not 0"):
        read(tmp_path, "[rates]\nusdc = 0\n")


def test_all_means_no_limit(tmp_path: Path) -> None:
    got = read(tmp_path, 'venues = ["all"]\nassets = "all"\n')
    assert (got.venues, got.assets) == (None, None)
    assert read(tmp_path, venues="none").venues == ()


def test_assets_and_venues_are_read_from_lists_and_texts(tmp_path: Path) -> None:
    got = read(tmp_path, 'assets = ["btc", "Doge"]\n', venues="southern,northern,southern")
    assert (got.assets, got.venues) == (("BTC", "DOGE"), ("southern", "northern"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('\nvenus = ["northern"]\n', "line 2: unknown key 'venus'. Did you mean venues?"),
        ("[http]\nport = 1\n\nprot = 2\n", "line 4: unknown key 'http.prot'. Did you mean http.port"),
        ("http.prot = 2\n", "line 1: unknown key 'http.prot'. Did you mean http.port"),
        (
            "assets = []\n[poll.northen]\nevery_s = 2\n",
            "line 3: unknown key 'poll.northen.every_s'. Did you mean poll.northern",
        ),
        ('assets = ["BTC"]\n[http\n', "not valid TOML: Expected ']' at the end of a table declaration (at line 2"),
        (
            '# who\nvenues = ["nothern"]\n',
            "line 2, venues: unknown venue 'nothern'. Did you mean northern or southern? There is: all, none, nor",
        ),
        ('assets = ["BTCUSDT"]\n', "line 1, assets: 'BTCUSDT' is a symbol, not an asset. Did you mean BTC?"),
        ("assets = [1]\n", "line 1, assets: wants names"),
        ("assets = []\n", "line 1, assets: wants names"),
        ('[http]\nport = "web"\n', "line 2, http.port: wants a whole number from 0 to 65535, not 'web'."),
        ("[http]\nport = true\n", "line 2, http.port: wants a whole number"),
        ('[http]\nhost = "0.0.0.0"\n', "would open the server to others"),
        ('universe = "perpetuals"\n', "unknown universe 'perpetuals'. Did you mean perpetual?"),
        (
            '[analytics]\nmultiplicity = "yekutieli"\n',
            "line 2, analytics.multiplicity: unknown procedure 'yekutieli'. Did you mean benjamini_yekutieli?",
        ),
        (
            "[analytics]\nmap_range = 0.9\n",
            "line 2, analytics.map_range: wants a number from 0.005 to 0.45, not 0.9.",
        ),
        (
            "[analytics]\nmap_holding_days = [10, 5]\n",
            "line 2, analytics.map_holding_days: wants 11 numbers, like [10.0, 10.0, 6.0,",
        ),
        (
            "[analytics]\nmap_mix_speculative = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]\n",
            "line 2, analytics.map_mix_speculative: wants 11 numbers, like [0.15,",
        ),
        (
            "[analytics]\noverheat_weights = [1, 1, 1, 0, -1]\n",
            "weights: wants a number from 0 to 1e+09, not -1.",
        ),
        (
            "[analytics]\nlead_lags_s = [1, 5, 2]\n",
            "line 2, analytics.lead_lags_s: wants ascending whole numbers, like [1, 10, 60], not [1, 5, 2].",
        ),
        ("[analytics]\nlead_lags_s = [1, 5000]\n", "lead_lags_s: wants a whole number from 1 to 1800, not 5000."),
        ("[analytics]\nlead_lags_s = []\n", "lead_lags_s: wants ascending whole numbers"),
        ("[analytics]\nhistory_1h_days = 0.5\n", "history_1h_days: wants a number from 1 to 3650, not 0.5."),
        (
            '[analytics]\nremoval_policy = "filo"\n',
            "line 2, analytics.removal_policy: unknown policy 'filo'. Did you mean fifo? There is: age_hazard,",
        ),
        ("[poll.northern]\nevery_s = 0\n", "line 2, poll.northern.every_s: wants a number from 0.5 to 86400, not 0."),
    ],
)
def test_a_wrong_file_is_told_with_its_line_and_what_may_be_meant(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        read(tmp_path, text)
    assert words in str(wrong.value)
    assert str(tmp_path / "config.toml") in str(wrong.value)


def test_a_misspelt_variable_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"CROSSOI_HTTP_PRT: unknown setting. Did you mean CROSSOI_HTTP_PORT"):
        read(tmp_path, env={"CROSSOI_HTTP_PRT": "1"})


def test_a_variable_names_itself_when_its_value_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"CROSSOI_VENUES: unknown venue 'nothern'. Did you mean northern"):
        read(tmp_path, env={"CROSSOI_VENUES": "nothern"})


def test_the_procedure_for_many_tests_is_chosen_in_the_file(tmp_path: Path) -> None:
    assert read(tmp_path).thresholds.multiplicity == "benjamini_hochberg"
    got = read(tmp_path, '[analytics]\nmultiplicity = "benjamini_yekutieli"\n')
    assert got.thresholds.multiplicity == "benjamini_yekutieli"


def test_every_threshold_can_be_said_and_its_default_is_taken_back(tmp_path: Path) -> None:
    for field in fields(Thresholds):
        value = getattr(Thresholds(), field.name)
        said = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        got = read(tmp_path, env={f"CROSSOI_ANALYTICS_{field.name.upper()}": said})
        assert got.thresholds == Thresholds(), field.name


def test_several_numbers_are_a_list_in_the_file(tmp_path: Path) -> None:
    got = read(tmp_path, "[analytics]\nmap_tilt = 0.5\noverheat_weights = [0.3, 0.3, 0.2, 0.2, 0]\n").thresholds
    assert (got.map_tilt, got.overheat_weights) == (0.5, (0.3, 0.3, 0.2, 0.2, 0.0))


def test_lags_are_as_many_as_the_user_says(tmp_path: Path) -> None:
    assert read(tmp_path, "[analytics]\nlead_lags_s = [2, 20, 600]\n").thresholds.lead_lags_s == (2, 20, 600)


def test_who_leaves_the_map_first_is_chosen_in_the_file(tmp_path: Path) -> None:
    assert read(tmp_path).thresholds.removal_policy == "age_hazard"
    got = read(tmp_path, '[analytics]\nremoval_policy = "fifo"\n')
    assert got.thresholds.removal_policy == "fifo"


def test_venues_are_known_without_being_imported() -> None:
    names = venue_names()
    assert names == tuple(sorted(names))
    assert names


def test_positions_are_asked_for_within_bounds_and_context_only_by_choice(tmp_path: Path) -> None:
    assert (read(tmp_path).positions_per_minute, read(tmp_path).context_sources) == (20, ())
    got = read(tmp_path, '[positions]\nper_minute = 0\n[context]\nsources = ["coinmetrics", "coingecko"]\n')
    assert (got.positions_per_minute, got.context_sources) == (0, ("coinmetrics", "coingecko"))
    assert read(tmp_path, "[context]\nsources = []\n").context_sources == ()
    with pytest.raises(SettingsError, match="Did you mean coinmetrics"):
        read(tmp_path, '[context]\nsources = ["coinmetric"]\n')
    with pytest.raises(SettingsError, match="from 0 to 120"):
        read(tmp_path, "[positions]\nper_minute = 5000\n")
