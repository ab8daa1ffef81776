"""`crossoi`: the command line, nothing but arguments and printing. Imports that cost time wait until they are used."""

import json
import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer

from server.settings import Mode, Settings, SettingsError, load, near, venue_names
from simulator.faults import KINDS

app = typer.Typer(
    name="crossoi", help="Live cross-exchange open interest, answered over MCP.", no_args_is_help=True,
    add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip

FAULTS = f"Like VENUE=down@120s: after so many seconds; may be repeated. Faults: {', '.join(KINDS)}."
Port = Annotated[int | None, typer.Option("--port", help="Port on 127.0.0.1; 0 takes any free one.")]
Venues = Annotated[str | None, typer.Option("--venues", help="Venues, with commas; 'all'; or 'none': collect nothing.")]
Assets = Annotated[str | None, typer.Option("--assets", help="Coins, with commas; or 'all'. [default: BTC,ETH,SOL]")]


def main() -> None:
    """The entry point. Exit status: 0 done, 1 it failed, 2 the command was wrong."""
    try:
        app(prog_name="crossoi")
    except SettingsError as wrong:
        complain(str(wrong))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False) -> None:
    if version:
        from server.daemon import VERSION

        print(VERSION)
        raise typer.Exit


@app.command()
def serve(port: Port = None, venues: Venues = None, assets: Assets = None) -> None:
    """Collect from the venues, keep the store, and serve MCP, REST and the page on 127.0.0.1, until Ctrl-C."""
    settings = chosen("live", port, venues, assets)
    from server.app import ServeError, serve
    from server.loop import run

    logged()
    try:
        run(serve, settings, say)
    except ServeError as failed:
        complain(str(failed))
        raise typer.Exit(1) from None


@app.command()
def mcp(
    spawn: Annotated[bool, typer.Option("--spawn/--no-spawn", help="Start the daemon if none runs.")] = True,
    url: Annotated[str | None, typer.Option(help="A daemon elsewhere, like http://127.0.0.1:8787.")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Connect to a running `crossoi demo`.")] = False,
) -> None:
    """Speak MCP on standard input and output: the bridge that AI clients start."""
    settings = chosen("demo" if demo else "live")
    from server.bridge import run

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="crossoi mcp: %(message)s")
    anyio.run(run, settings, spawn, url)


@app.command()
def demo(
    port: Port = None,
    venues: Venues = None,
    assets: Assets = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same market.")] = 1,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Like VENUE=down@120s: a fault after so many seconds; may be repeated. Faults: {', '.join(KINDS)}."
        ),
    ] = None,
) -> None:
    """The whole product against a made-up market, until Ctrl-C. Every row and answer says that it is simulated."""
    settings = chosen("demo", port, venues, assets)
    from simulator.faults import FaultError, parse_fault

    try:
        faults = [parse_fault(words, settings.venues or venue_names()) for words in fault or []]
    except FaultError as wrong:
        complain(f"--fault: {wrong}")
        raise typer.Exit(2) from None
    from server.app import ServeError
    from server.demo import demo
    from server.loop import run

    logged()
    try:
        run(demo, settings, faults, seed, say)
    except ServeError as failed:
        complain(str(failed))
        raise typer.Exit(1) from None


@app.command()
def status(
    demo: Annotated[bool, typer.Option("--demo", help="Ask a running `crossoi demo`.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The answer as JSON.")] = False,
) -> None:
    """Ask the daemon how it is: which venues are heard, how old their numbers are."""
    settings = chosen("demo" if demo else "live")
    from server.daemon import DaemonError
    from server.inquiry import ask_daemon

    try:
        url, answer = anyio.run(ask_daemon, settings, "status")
    except DaemonError as unavailable:
        complain(str(unavailable))
        raise typer.Exit(1) from None
    if as_json:
        print(json.dumps(answer))
        return
    print(f"{'SIMULATED  ' if answer['simulated'] else ''}{answer['summary']}  ({url})")
    show(answer["columns"], answer["rows"])
    for words in answer["warnings"]:
        print(f"! {words}")


@app.command()
def venues(as_json: Annotated[bool, typer.Option("--json", help="The table as JSON.")] = False) -> None:
    """What each venue publishes: field, unit, sides counted, how we know, what a running daemon has measured of it."""
    from server.daemon import DaemonError
    from server.inquiry import ask_daemon
    from server.published import VENUE_COLUMNS, sides_measured, venue_rows

    try:
        measured = sides_measured(anyio.run(ask_daemon, chosen("live"), "status")[1])
    except DaemonError:  # none runs: then nothing is being measured
        measured = {}
    rows = venue_rows(measured)
    if as_json:
        print(json.dumps([dict(zip(VENUE_COLUMNS, row, strict=True)) for row in rows]))
    else:
        show(VENUE_COLUMNS, rows)


@app.command()
def backfill(
    venues: Annotated[list[str] | None, typer.Argument(help="Which venues; all if none is named.")] = None,
    days: Annotated[float, typer.Option(min=0.01, max=3650, help="How far back.")] = 3.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be asked.")] = False,
) -> None:
    """Fill what the store lacks from the venues' own history, newest first. Exit status 1 where one did not answer."""
    known_venues(*venues or ())
    settings = chosen("live", None, ",".join(venues) if venues else None)
    from server.carried import progress_bar
    from server.daemon import DaemonError
    from server.filling import PLAN_COLUMNS, fill, plan_row, unanswered

    lines: dict[tuple[str, ...], dict[str, Any]] = {}
    try:
        with progress_bar(dry_run) as advance:

            def told(line: dict[str, Any]) -> None:
                lines[line["venue"], line["segment"], line["symbol"], line["subject"]] = line
                advance(list(lines.values()), line)

            anyio.run(fill, settings, venues or [], days, dry_run, told)
    except DaemonError as failed:
        complain(str(failed))
        raise typer.Exit(1) from None
    if lines:
        show(PLAN_COLUMNS, [plan_row(line, dry_run) for line in lines.values()])
    else:
        say("Nothing is missing that these venues could be asked for.")
    if any(unanswered(line) for line in lines.values()):
        raise typer.Exit(1)


@app.command(name="import")
def import_(
    paths: Annotated[list[Path], typer.Argument(help="Files: .zip, .csv, .csv.gz or .parquet.")],
    mapping: Annotated[
        Path | None, typer.Option(help="A TOML that declares a plain table's columns, or contracts that are not known.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The reports as JSON.")] = False,
) -> None:
    """Take in files of the past, row by row, each once. Exit status 1 where any row was refused."""
    settings = chosen("live")
    from collectors.imports.report import clean
    from collectors.venues import VENUES
    from server.asked import import_job
    from server.carried import REPORT_COLUMNS, carried, report_rows

    job = import_job(paths, mapping, dry_run, VENUES)
    said = carried(settings, job, as_json)
    reports = [line["report"] for line in said if "report" in line]
    if as_json:
        print(json.dumps(reports))
    elif reports:
        show(REPORT_COLUMNS, report_rows(reports))
    complain_of(said)
    if not all(clean(report) for report in reports):
        raise typer.Exit(1)


@app.command()
def export(
    table: Annotated[str, typer.Argument(help="Like readings, bars_1h, closes, liquidations.")],
    out: Annotated[Path, typer.Option(help="The file to write: .parquet or .csv.")],
    start: Annotated[str | None, typer.Option("--from", help="First moment, UTC, like 2026-01-31.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="The moment after the last.")] = None,
    assets: Assets = None,
    demo: Annotated[bool, typer.Option("--demo", help="From the demo's store.")] = False,
) -> None:
    """Write a table, or a stretch of it, to a file for other tools."""
    settings = chosen("demo" if demo else "live")
    from server.asked import export_job
    from server.carried import carried

    coins = None if assets is None else chosen("live", assets=assets).assets
    job = export_job(table, out, start, end, coins)
    said = carried(settings, job)
    for line in said:
        if "exported" in line:
            print(f"{line['exported']} rows of {table} in {out}")
    complain_of(said)


def complain_of(said: Iterable[dict[str, Any]]) -> None:
    """Ends with 1 where a job could not be done to its end, with 2 where it was asked for wrongly."""
    errors = [line for line in said if "error" in line]
    for line in errors:
        complain(line["error"].strip())
    if errors:
        raise typer.Exit(2 if any("misused" in line for line in errors) else 1)


@app.command()
def decode(venue: Annotated[str, typer.Argument(help="Whose frames they are.")]) -> None:
    """Say what frames mean: JSON lines on standard input, one JSON line a frame on standard output; no network."""
    known_venues(venue)
    from collectors.decode import decode
    from collectors.venues import VENUES

    try:
        for line in decode(VENUES[venue], sys.stdin):
            print(line, flush=True)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has left; nobody is there to tell


def known_venues(*names: str) -> None:
    """Raises SettingsError where a name is no venue's."""
    for name in names:
        if name not in venue_names():
            raise SettingsError(f"unknown venue {name!r}. {near(name, venue_names(), 30)}")


def chosen(mode: Mode, port: int | None = None, venues: str | None = None, assets: str | None = None) -> Settings:
    return load(mode, {"http.port": port, "venues": venues, "assets": assets})


def logged() -> None:
    """Logs go to standard error: warnings, and what becomes of each venue."""
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("collectors.outage").setLevel(logging.INFO)


def say(words: str) -> None:
    """A line of progress."""
    print(words, file=sys.stderr, flush=True)


def complain(words: str) -> None:
    print(f"crossoi: {words}", file=sys.stderr)


def show(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("-" if cell is None else escape(str(cell)) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)


if __name__ == "__main__":
    main()
