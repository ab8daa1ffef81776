"""More instruments than the scripts list: further assets, named as made up, beside what each segment lists. For loads.

A further contract is one of the segment's own under another asset: the asset's name is replaced wherever the venue
says it, and its own numbers (a script's `numbered`) are followed by the next ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from string import ascii_uppercase

from msgspec.structs import replace

from simulator.script import Contract, Figures, Script
from store.records import Kind

NUMBERED = 1_000  # a further contract's number is at least so far above its segment's greatest


def names(count: int) -> tuple[str, ...]:
    """The further assets: SIMA, SIMB, ..."""
    return tuple(f"SIM{letter}" for letter in ascii_uppercase[:count])


def widened(script: Script, assets: Sequence[str]) -> Script:
    """The script with a perpetual on each asset in every segment that lists one on a single coin."""
    more: list[Contract] = []
    quotes = dict(script.expect.quotes)
    for segment in dict.fromkeys(c.segment for c in script.instruments):
        model = modelled(script, segment)
        if model is None or model.symbol not in quotes:
            continue
        for n, asset in enumerate(assets):
            contract = further(script, model, asset, NUMBERED + len(more))
            more.append(contract)
            quotes[contract.symbol] = scaled(quotes[model.symbol], 1 + n / 10)
    return replace(script, instruments=[*script.instruments, *more], expect=replace(script.expect, quotes=quotes))


def modelled(script: Script, segment: str) -> Contract | None:
    """The contract that further ones are made after: the second plain one. A segment for one coin alone has none."""
    plain = [
        c for c in script.instruments
        if c.segment == segment and c.collect and c.kind is Kind.PERPETUAL and c.base_factor == 1 and word(c)
    ]  # fmt: skip
    return plain[1] if len(plain) > 1 else None


def word(contract: Contract) -> str:
    """What stands for the asset in the symbol: its name, or else a code that the venue says. Empty if neither does."""
    if contract.asset in contract.symbol:
        return contract.asset
    codes = (said for said in contract.says.values() if isinstance(said, str) and len(said) > 1)
    return next((said for said in codes if contract.symbol.startswith(said)), "")


def further(script: Script, model: Contract, asset: str, number: int) -> Contract:
    says = {
        key: said.replace(word(model), asset) if isinstance(said, str) else said for key, said in model.says.items()
    }
    for key in script.numbered:
        if key in says:
            greatest = max(int(c.says[key]) for c in script.instruments if key in c.says)
            says[key] = type(model.says[key])(greatest + number)
    return replace(
        model,
        symbol=model.symbol.replace(word(model), asset),
        asset=asset,
        settle=asset if model.settle == model.asset else model.settle,
        says=says,
    )


def scaled(figures: Figures, times: float) -> Figures:
    """Dearer by a factor, and fewer coins of it."""
    return replace(
        figures, mark=figures.mark * times, index=figures.index * times, last=figures.last * times,
        oi_base=figures.oi_base / times,
    )  # fmt: skip


def all_widened(scripts: Mapping[str, Script], count: int) -> Iterator[tuple[str, Script]]:
    """Every script with so many further assets."""
    assets = names(count)
    return ((id, widened(script, assets)) for id, script in scripts.items())
