"""What the demo prints at its end."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from drover_cli.api import Json

COLUMNS = ("ok", "changed", "failed", "unreachable", "skipped")
COLOURS = {
    "ok": "green",
    "changed": "yellow",
    "failed": "red",
    "unreachable": "red",
    "skipped": "cyan",
    "successful": "green",
    "error": "red",
    "canceled": "yellow",
}


def host_table(summaries: Sequence[Json]) -> Table:
    """One row a host, zeros dimmed."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("host")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for summary in sorted(summaries, key=lambda summary: str(summary["host"])):
        cells = [f"[{COLOURS[name]}]{summary[name]}[/]" if summary[name] else "[dim]0[/]" for name in COLUMNS]
        table.add_row(str(summary["host"]), *cells)
    return table


def print_job(out: Console, job: Json, runs: Sequence[Json], events: int) -> None:
    """The job in four lines."""
    counts = job["summary"]
    status = str(job["status"])
    out.print(f"\n[bold]Job {job['id']}[/]  {job['name']}  [bold {COLOURS.get(status, 'red')}]{status}[/]")
    out.print(f"  run       {job['current_run_id']}, attempt {len(runs)}")
    out.print(
        f"  hosts     {counts['hosts_total']}: {counts['hosts_ok']} ok, {counts['hosts_changed']} changed, "
        f"{counts['hosts_failed']} failed, {counts['hosts_unreachable']} unreachable"
    )
    complete = "complete" if job["events_complete"] and job["log_complete"] else "[red]not complete[/]"
    out.print(f"  output    {events} events and the log, {complete}\n")


def print_next(out: Console, url: str, job: Json, log_file: Path, login: str, *, keeps_running: bool) -> None:
    """Where to look next."""
    rows = [
        ("API docs", f"{url}/api/v1/docs"),
        ("this job", f"{url}/api/v1/jobs/{job['id']}"),
        ("its log", str(log_file)),
        ("login", login),
    ]
    if not keeps_running:
        rows.insert(
            0, ("again", "./drover up    [dim]the demo has stopped what it started; the job is kept[/]")
        )
    out.print("\n[bold]Where to look next[/]")
    for name, text in rows:
        out.print(f"  {name:<9} {text}", soft_wrap=True)
