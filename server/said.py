"""What a user said for a setting, read strictly: a value, where it stands, and the sentence when it cannot be taken."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, cast, get_args

from analytics.settings import LIMITS, Policy, Procedure, Settings


class SettingsError(Exception):
    """A setting we cannot take, in one sentence: where it stands, what is wrong, what would be right."""


@dataclass(frozen=True, slots=True)
class Said:
    """A value and where the user said it, for the error that may follow."""

    value: object
    where: str


Reader = Callable[[Said, tuple[str, ...]], Any]  # of what was said, and the venues there are


def near(word: str, known: list[str] | tuple[str, ...], show: int = 12) -> str:
    """The sentence that follows every misspelling: what may have been meant, and what there is."""
    by_lower = {name.lower(): name for name in known}
    close = [by_lower[name] for name in get_close_matches(word.lower(), by_lower, n=3, cutoff=0.6)]
    listed = ", ".join(sorted(known)[:show]) + (", ..." if len(known) > show else "")
    return (f"Did you mean {' or '.join(close)}? " if close else "") + f"There is: {listed}."


def one_of(said: Said, value: object, what: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise SettingsError(f"{said.where}: unknown {what} {value!r}. {near(str(value), known)}")
    return str(value)


def read_number(least: float, most: float, whole: bool = False) -> Callable[[Said, tuple[str, ...]], float]:
    def read(said: Said, _: tuple[str, ...]) -> float:
        value = said.value
        try:
            number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
        except ValueError:
            number = None
        if number is None or not least <= number <= most or (whole and number != int(number)):
            kind = "whole number" if whole else "number"
            raise SettingsError(f"{said.where}: wants a {kind} from {least:g} to {most:g}, not {value!r}.")
        return int(number) if whole else number

    return read


def read_numbers(like: Sequence[float], least: float, most: float) -> Reader:
    """As many numbers as the default has, of which some are above zero."""

    def read(said: Said, known: tuple[str, ...]) -> tuple[float, ...]:
        value: Any = said.value
        parts: Any = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list):
            parts = []
        one = read_number(least, most)
        found = tuple(one(Said(part, said.where), known) for part in cast(list[object], parts))
        if len(found) != len(like) or not sum(found) > 0:
            raise SettingsError(f"{said.where}: wants {len(like)} numbers, like {list(like)}, not {value!r}.")
        return found

    return read


def read_ascending(least: int, most: int) -> Reader:
    """Whole numbers, each above the one before; one at least."""

    def read(said: Said, known: tuple[str, ...]) -> tuple[int, ...]:
        value: Any = said.value
        parts: Any = value.split(",") if isinstance(value, str) else value
        one = read_number(least, most, whole=True)
        found = (
            [int(one(Said(p, said.where), known)) for p in cast(list[object], parts)] if isinstance(parts, list) else []
        )
        if not found or found != sorted(set(found)):
            raise SettingsError(f"{said.where}: wants ascending whole numbers, like [1, 10, 60], not {value!r}.")
        return tuple(found)

    return read


def read_threshold(name: str, like: float | Sequence[float]) -> Reader:
    """A reader of numbers of the same kind and sign as the default, within what an analysis can do with."""
    if not isinstance(like, int | float):
        return read_numbers(like, *LIMITS.get(name, (0.0, 1e9)))
    low, high = LIMITS.get(name, (-1e9, 0.0) if like < 0 else (0.0, 1e9))
    return read_number(low, high, whole=isinstance(like, int))


def read_word(what: str, of: object) -> Reader:
    return lambda said, _: one_of(said, said.value, what, get_args(of))


def thresholds() -> Mapping[str, Reader]:
    """A reader of every name of `[analytics]`."""
    low, high = LIMITS["lead_lags_s"]
    lags = {"lead_lags_s": read_ascending(int(low), int(high))}
    words = {"multiplicity": read_word("procedure", Procedure), "removal_policy": read_word("policy", Policy)} | lags
    numbers = {f.name: read_threshold(f.name, f.default) for f in fields(Settings) if f.name not in words}  # type: ignore[arg-type]  # all others are numbers, or some
    return {f"analytics.{name}": read for name, read in (numbers | words).items()}
