"""How the commands speak to a person: short lines, aligned, coloured where the terminal can."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import typer
from rich.console import Console

from drover_cli.local.errors import LocalError
from drover_cli.local.state import StackState

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn a LocalError into one line with what to do and where the log is, and exit status 1."""
    try:
        yield
    except LocalError as error:
        parts = [f"[bold red]drover:[/] {error}"]
        if error.hint:
            parts.append(f"[bold]{error.hint}[/]")
        if error.log:
            parts.append(f"log: {error.log}")
        err.print("; ".join(parts), soft_wrap=True)
        raise typer.Exit(1) from error


class StartProgress:
    """Shows the steps of a start as they end, and the one that goes on."""

    def __init__(self) -> None:
        self._shown = 0
        self._status = out.status("starting", spinner="dots") if sys.stdout.isatty() else None

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def show(self, state: StackState) -> None:
        for name, seconds in state.steps[self._shown :]:
            done(name, seconds)
        self._shown = len(state.steps)
        if self._status and state.step:
            self._status.update(f"starting {state.step}")


def done(name: str, seconds: float) -> None:
    """One finished step."""
    out.print(f"  [green]✓[/] {name:<52} [dim]{seconds:5.1f} s[/]")


def checked(name: str, seconds: float, ok: bool) -> None:
    """One check and whether it passed."""
    out.print(f"  {'[green]✓[/]' if ok else '[red]✗[/]'} {name:<52} [dim]{seconds:5.1f} s[/]")
