"""`drover conformance`: holds a running API, or an executor, to the executor protocol."""

import os
import signal
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from types import FrameType

import typer

from drover_cli.api import ApiClient
from drover_cli.commands_stack import api_url
from drover_cli.conformance.kit import BrokenRuleError, Kit
from drover_cli.conformance.played.stage import Stage
from drover_cli.conformance.suite import EXECUTOR_RULES, RULES, Result, try_rules
from drover_cli.console import err, out, told_plainly
from drover_cli.local.control import Stack
from drover_cli.local.errors import LocalError


def conformance(stack: Stack, url: str, username: str, only: tuple[str, ...]) -> int:
    """Print a line a rule; returns 1 when any is broken.

    Without `url` it is the local stack's. Secrets come from DROVER_REGISTRATION_TOKEN and
    DROVER_ADMIN_PASSWORD, or are the local stack's own.
    """
    _refuse_unknown(only, RULES)
    with told_plainly():
        base, registration_token, password = _target(stack, url)
        with ApiClient(base) as api:
            api.login(username, password, "drover conformance")
            try:
                kit = Kit(base, api, registration_token)
            except BrokenRuleError as error:
                raise LocalError(f"the rules cannot be tried: {error}") from error
            with closing(kit):
                broken = try_rules(RULES, kit, only, show)
    return _summed_up(broken, len(only) or len(RULES))


def executor_conformance(command: str, only: tuple[str, ...]) -> int:
    """The same for an executor, which `command` starts; it is ended with this process, unless by SIGKILL."""
    _refuse_unknown(only, EXECUTOR_RULES)
    with told_plainly(), _unwound_by_signals(), closing(Stage(command)) as stage:
        broken = try_rules(EXECUTOR_RULES, stage, only, show)
        if broken:
            out.print(f"\nWhat it printed last:\n{stage.subject.last_words}", markup=False, soft_wrap=True)
    return _summed_up(broken, len(only) or len(EXECUTOR_RULES))


@contextmanager
def _unwound_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the body like an error does, so that it puts away what it started.

    A second one does not disturb that; the status is the shell's for the signal.
    """
    numbers = (signal.SIGTERM, signal.SIGHUP)

    def end(number: int, _frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _refuse_unknown(only: tuple[str, ...], rules: Collection[str]) -> None:
    unknown = sorted(set(only) - set(rules))
    if unknown:
        err.print(f"[bold red]drover:[/] no rule {', '.join(unknown)}; there are {', '.join(rules)}")
        raise typer.Exit(2)


def _summed_up(broken: int, tried: int) -> int:
    out.print(f"\n{tried - broken} of {tried} rules hold")
    return 1 if broken else 0


def _target(stack: Stack, url: str) -> tuple[str, str, str]:
    """The API's address, the registration token, and the administrator's password."""
    token = os.environ.get("DROVER_REGISTRATION_TOKEN", "")
    password = os.environ.get("DROVER_ADMIN_PASSWORD", "")
    if url:
        if not token or not password:
            raise LocalError("set DROVER_REGISTRATION_TOKEN and DROVER_ADMIN_PASSWORD to that API's")
        return url.rstrip("/"), token, password
    state = stack.current()
    if state is None:
        raise LocalError("Drover is not running here", hint="./drover up, or name a URL")
    known = stack.home.secrets()
    return api_url(state), known.registration_token, known.admin_password


def show(result: Result) -> None:
    mark = "[red]\u2717[/]" if result.fault else "[green]\u2713[/]"
    out.print(f"  {mark} {result.number}  {result.text} [dim]{result.seconds:.1f} s[/]", soft_wrap=True)
    if result.fault:
        out.print(f"        {result.fault}", markup=False, soft_wrap=True)
