"""up, down, status, logs: the embedded stack as seen from the terminal."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import typer
from rich.table import Table

from drover_cli.console import StartProgress, err, out, told_plainly
from drover_cli.local.control import Stack
from drover_cli.local.errors import LocalError
from drover_cli.local.health import is_ready
from drover_cli.local.home import SERVERS, SERVICES, Home
from drover_cli.local.process import last_line
from drover_cli.local.servers import HOST, accepts
from drover_cli.local.state import ServiceState, StackState, is_alive
from drover_cli.log_view import copy_log


def stack_here() -> Stack:
    return Stack(Home.from_environment(os.environ))


def up(stack: Stack, *, detach: bool) -> None:
    """Start the stack; stay with it in the foreground unless `detach`."""
    with told_plainly():
        running = stack.current()
        if running is not None:
            out.print(f"Drover is already up: {api_url(running)} [dim](./drover status, ./drover down)[/]")
            return
        with stopped_on_interrupt(stack, tied=not detach) as process:
            with StartProgress() as progress:
                state = stack.wait_ready(process, progress.show)
            show_ready(stack, state)
            if detach:
                return
            out.print("\n[dim]Ctrl-C stops it[/]")
            process.wait()
        if stack.was_told_to_stop():
            out.print("Drover is stopped")
            return
        log = stack.home.log("supervisor")
        raise LocalError(f"the supervisor ended: {last_line(log)}", log=log)


@contextmanager
def stopped_on_interrupt(stack: Stack, *, tied: bool) -> Iterator["subprocess.Popen[bytes]"]:
    """Spawn the supervisor; Ctrl-C in the body stops it again and ends the command with status 130."""
    process = stack.spawn(tied=tied)
    try:
        yield process
    except KeyboardInterrupt:
        stop_with_progress(stack, process)
        raise typer.Exit(130) from None


def api_url(state: StackState) -> str:
    """Where the API of a running stack is; empty while it is still starting its servers."""
    api = state.services.get("api")
    return f"http://{HOST}:{api.port}" if api else ""


def show_ready(stack: Stack, state: StackState) -> None:
    url = api_url(state)
    out.print(f"\n[bold green]Drover is ready[/]\n  API    {url}/api/v1\n  docs   {url}/api/v1/docs")
    out.print(f"  login  {login_words(stack.home)}", soft_wrap=True)


def login_words(home: Home) -> str:
    """How to log in; the made password is shown once."""
    kept, password = home.folder / "secrets.json", home.password_to_show()
    if password is None:
        return f"admin [dim](password in {kept})[/]"
    return f"admin / [bold]{password}[/] [dim](shown once; kept in {kept})[/]"


def stop_with_progress(stack: Stack, process: "subprocess.Popen[bytes] | None" = None) -> None:
    """Stop the stack to the end: a further Ctrl-C does not leave it half stopped."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with out.status("stopping") if sys.stdout.isatty() else nullcontext():
            ran = stack.stop(process)
    finally:
        signal.signal(signal.SIGINT, before)
    if ran:
        out.print("Drover is stopped; its data is kept")


def down(stack: Stack) -> None:
    with told_plainly():
        if stack.current() is None:
            out.print("Drover is not running")
        else:
            stop_with_progress(stack)


def is_serving(name: str, service: ServiceState) -> bool:
    if not is_alive(service):
        return False
    return accepts(service.port) if name in SERVERS else is_ready(HOST, service.port)


def status(stack: Stack) -> int:
    """Print the table; returns 0 when everything is ready, else 1."""
    state = stack.current()
    if state is None:
        out.print("Drover is not running [dim](./drover up)[/]")
        return 1
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for name in ("service", "pid", "port", "ready", "uptime", "restarts"):
        table.add_column(name, justify="right" if name in {"pid", "port", "uptime", "restarts"} else "left")
    serving = 0
    for name in SERVICES:
        service = state.services.get(name)
        if service is None:
            table.add_row(name, "-", "-", "[yellow]not started[/]", "-", "-")
            continue
        ready = is_serving(name, service)
        serving += ready
        up_for = format_seconds(time.time() - service.started_at) if is_alive(service) else "-"
        word = "[green]yes[/]" if ready else "[red]no[/]"
        table.add_row(name, str(service.pid), str(service.port), word, up_for, str(service.restarts))
    out.print(table)
    out.print(f"\n{state.phase}  {api_url(state)}  [dim]{stack.home.folder}[/]")
    return 0 if serving == len(SERVICES) else 1


def format_seconds(seconds: float) -> str:
    """For people: `42 s`, `3 min`, `5 h`, `2 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def logs(stack: Stack, service: str, *, follow: bool) -> None:
    """Print the end of a service's log, and go on with it when `follow`."""
    known = [*SERVICES, "supervisor", "migrate", "create-admin"]
    if service not in known:
        err.print(f"[bold red]drover:[/] no service {service!r}; one of: {', '.join(known)}", soft_wrap=True)
        raise typer.Exit(2)
    path = stack.home.log(service)
    if not path.exists():
        err.print(f"[bold red]drover:[/] {service} has no log yet: {path}", soft_wrap=True)
        raise typer.Exit(1)
    try:
        copy_log(path, follow=follow)
    except KeyboardInterrupt:
        return
