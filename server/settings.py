"""What the user chose: flags over `CROSSOI_*` over `config.toml`, checked, in one frozen value.

Import this anywhere: it loads nothing heavy, so that the bridge and `--help` start at once.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any, Literal

from platformdirs import user_data_path

from analytics.settings import Settings as Thresholds
from server.said import Said, SettingsError, near, one_of, read_number, thresholds

Mode = Literal["live", "demo"]
PORTS: Mapping[Mode, int] = {"live": 8787, "demo": 8788}
ASSETS = ("BTC", "ETH", "SOL")
UNIVERSES = ("perpetual", "dated", "all")
CONTEXT = ("coinmetrics", "coingecko", "coingecko_derivatives")  # whom we know to ask (collectors/context.py)
RATES: Mapping[str, float] = MappingProxyType({"USDT": 1.0, "USDC": 1.0})  # USD a unit of what contracts are quoted in
LOOPBACK = ("127.0.0.1", "localhost")
PREFIX = "CROSSOI_"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured. `None` for venues or assets means all of them."""

    root: Path  # the home, with config.toml in it
    mode: Mode
    port: int
    host: str = "127.0.0.1"
    venues: tuple[str, ...] | None = None
    assets: tuple[str, ...] | None = ASSETS
    universe: str = "perpetual"
    store_url: str | None = None  # None: a file in the home
    raw_days: float = 30.0  # how long raw readings are kept
    backfill_days: float = 3.0  # of the past that are asked of the venues at the start; 0 asks for none
    positions_per_minute: float = 20.0  # questions about public positions; 0 asks none
    context_sources: tuple[str, ...] = ()  # whom else to ask, for context only
    unanswered_s: float = 3600.0  # how long a step by a power of ten waits for REST before it counts without
    jump: float = 0.20  # |ln| of one step of open interest that two more readings must confirm ...
    confirm_s: float = 600.0  # ... within so long
    rates: Mapping[str, float] = field(default_factory=lambda: dict(RATES))
    poll_every_s: Mapping[str, float] = field(default_factory=dict[str, float])  # by venue
    thresholds: Thresholds = field(default_factory=Thresholds)  # of the analyses
    config: Path | None = None  # the file that was read, if there is one

    @property
    def home(self) -> Path:
        """Where this mode keeps store, log and daemon.json. Real and simulated data never share a folder."""
        return self.root / self.mode

    @property
    def store(self) -> Path | str:
        return self.store_url or self.home / "store.duckdb"


def load(
    mode: Mode = "live",
    flags: Mapping[str, object] | None = None,
    env: Mapping[str, str] | None = None,
    venues: tuple[str, ...] | None = None,
) -> Settings:
    """The settings of this run. `flags` has dotted keys (`http.port`); a flag of None was not given.

    `env` stands in for the environment and `venues` for the known venues (tests). Raises SettingsError.
    """
    env = os.environ if env is None else env
    known = venue_names() if venues is None else venues
    root = Path(env["CROSSOI_HOME"]).expanduser() if env.get("CROSSOI_HOME") else user_data_path("crossoi", False)
    path = root / "config.toml"
    said = {
        **of_file(path, known),
        **of_environment(env, known),
        **{key: Said(value, f"--{key.split('.')[-1]}") for key, value in (flags or {}).items() if value is not None},
    }
    if mode == "demo":  # these two name the live daemon's own address and data
        said = {key: s for key, s in said.items() if key not in ("http.port", "store.url") or s.where.startswith("--")}
    read = {key: READERS[shape(key)](s, known) for key, s in said.items()}
    return Settings(
        root=root,
        mode=mode,
        config=path if path.exists() else None,
        host=read.get("http.host", "127.0.0.1"),
        port=read.get("http.port", PORTS[mode]),
        venues=read.get("venues"),
        assets=read.get("assets", ASSETS),
        universe=read.get("universe", "perpetual"),
        store_url=read.get("store.url"),
        raw_days=read.get("store.raw_days", 30.0),
        backfill_days=read.get("backfill.days", 3.0),
        positions_per_minute=read.get("positions.per_minute", 20.0),
        context_sources=read.get("context.sources", ()),
        unanswered_s=read.get("checks.unanswered_s", 3600.0),
        jump=read.get("checks.jump", 0.20),
        confirm_s=read.get("checks.confirm_s", 600.0),
        rates={name: read.get(f"rates.{name.lower()}", usual) for name, usual in RATES.items()},
        poll_every_s={key.split(".")[1]: value for key, value in read.items() if key.startswith("poll.")},
        thresholds=Thresholds(**{key.split(".")[1]: v for key, v in read.items() if key.startswith("analytics.")}),
    )


def venue_names() -> tuple[str, ...]:
    """Every venue's id, from the names of the files: importing twenty venues takes longer than asking their names."""
    spec = find_spec("collectors.venues")
    return tuple(sorted(module.name for module in iter_modules(spec.submodule_search_locations if spec else None)))


def of_file(path: Path, venues: tuple[str, ...]) -> dict[str, Said]:
    """The values of config.toml by dotted key; none where there is no file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as unreadable:
        raise SettingsError(f"{path}: cannot be read: {unreadable}") from None
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as malformed:
        raise SettingsError(f"{path}: not valid TOML: {malformed}") from None
    said: dict[str, Said] = {}
    for key, value in flat(tree):
        where = f"{path} line {line_of(text, key)}"
        said[checked(key, venues, where, key)] = Said(value, f"{where}, {key}")
    return said


def of_environment(env: Mapping[str, str], venues: tuple[str, ...]) -> dict[str, Said]:
    """The values of CROSSOI_*: `http.port` is CROSSOI_HTTP_PORT."""
    names = {PREFIX + key.upper().replace(".", "_"): key for key in all_keys(venues)}
    said: dict[str, Said] = {}
    for name, value in env.items():
        if name.startswith(PREFIX) and name != "CROSSOI_HOME":
            if name not in names:
                raise SettingsError(f"{name}: unknown setting. {near(name, [*names, 'CROSSOI_HOME'])}")
            if value:
                said[names[name]] = Said(value, name)
    return said


def flat(tree: Mapping[str, Any], above: str = "") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for key, value in tree.items():
        found += flat(value, f"{above}{key}.") if isinstance(value, dict) else [(above + key, value)]  # type: ignore[arg-type]  # toml tables have text keys
    return found


def line_of(text: str, key: str) -> int:
    """The line on which a dotted key is set, as far as plain looking can tell; the parser does not say."""
    inside, best = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
            inside = header[1].replace('"', "").replace(" ", "")
            best = number if key.startswith(inside + ".") else best
        elif (found := re.match(r"\s*([\w.\"'-]+)\s*=", line)) is not None:
            full = ".".join(part for part in (inside, re.sub(r"[\"' ]", "", found[1])) if part)
            if full == key:
                return number
            if key.startswith(full + "."):
                best = number
    return best


def shape(key: str) -> str:
    """`poll.<any>.every_s` is one kind of key."""
    return "poll.*.every_s" if re.fullmatch(r"poll\.[^.]+\.every_s", key) else key


def all_keys(venues: tuple[str, ...]) -> list[str]:
    return [key for key in READERS if "*" not in key] + [f"poll.{venue}.every_s" for venue in venues]


def checked(key: str, venues: tuple[str, ...], where: str, shown: str) -> str:
    known = all_keys(venues)
    if key not in known:
        raise SettingsError(f"{where}: unknown key {shown!r}. {near(key, known)}")
    return key


def names(said: Said) -> list[str]:
    """A list, or a text with commas; repeated words count once."""
    value = said.value
    words = value.split(",") if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else None  # type: ignore[arg-type]  # checked word by word below
    if not words or not all(isinstance(word, str) for word in words):  # type: ignore[unknown-variable-type]  # the check itself
        raise SettingsError(f"{said.where}: wants names, like ['one', 'two'] or 'all', not {value!r}.")
    return list(dict.fromkeys(str(word).strip() for word in words if str(word).strip()))  # type: ignore[unknown-argument-type]  # texts, as just checked


def read_venues(said: Said, known: tuple[str, ...]) -> tuple[str, ...] | None:
    chosen = [name.lower() for name in names(said)]
    if chosen == ["all"]:
        return None
    if chosen == ["none"]:  # serve what the store has, and ask nobody
        return ()
    for name in chosen:
        if name not in known:
            raise SettingsError(f"{said.where}: unknown venue {name!r}. {near(name, (*known, 'all', 'none'), 30)}")
    return tuple(chosen)


def read_assets(said: Said, _: tuple[str, ...]) -> tuple[str, ...] | None:
    """Any coin may be listed somewhere, so only the spelling is checked here; serving says which no venue lists."""
    chosen = [name.upper() for name in names(said)]
    if chosen == ["ALL"]:
        return None
    for name in chosen:
        if (coin := re.sub(r"[-_/]?(USDT|USDC|USD|PERP)+$", "", name)) != name and coin:
            raise SettingsError(f"{said.where}: {name!r} is a symbol, not an asset. Did you mean {coin}?")
        if not re.fullmatch(r"[A-Z0-9]{1,20}", name):
            raise SettingsError(
                f"{said.where}: {name!r} is no asset. Assets are coins such as BTC, ETH or SOL, or 'all'."
            )
    return tuple(chosen)


def read_sources(said: Said, _: tuple[str, ...]) -> tuple[str, ...]:
    asked = [] if said.value in ([], "none") else names(said)
    return tuple(one_of(said, name.lower(), "source", CONTEXT) for name in asked)


def read_host(said: Said, _: tuple[str, ...]) -> str:
    if said.value not in LOOPBACK:
        raise SettingsError(
            f"{said.where}: {said.value!r} would open the server to others, and it has no authentication. "
            f"Use {' or '.join(LOOPBACK)}."
        )
    return str(said.value)


def read_text(said: Said, _: tuple[str, ...]) -> str:
    if not isinstance(said.value, str):
        raise SettingsError(f"{said.where}: wants a text, not {said.value!r}.")
    return said.value


READERS: Mapping[str, Callable[[Said, tuple[str, ...]], Any]] = {
    "venues": read_venues,
    "assets": read_assets,
    "universe": lambda said, _: one_of(said, said.value, "universe", UNIVERSES),
    "http.host": read_host,
    "http.port": read_number(0, 65535, whole=True),
    "store.url": read_text,
    "store.raw_days": read_number(0.01, 36_500),
    "backfill.days": read_number(0, 3650),
    "positions.per_minute": read_number(0, 120),
    "context.sources": read_sources,
    "checks.unanswered_s": read_number(60, 7 * 86_400),
    "checks.jump": read_number(0.01, 2.0),
    "checks.confirm_s": read_number(10, 86_400),
    "rates.usdt": read_number(0.5, 2.0),
    "rates.usdc": read_number(0.5, 2.0),
    "poll.*.every_s": read_number(0.5, 86_400),
    **thresholds(),
}
