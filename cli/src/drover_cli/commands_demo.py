"""`./drover demo`."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

import typer

from drover_cli.api import ApiClient, ApiError, Json
from drover_cli.commands_stack import api_url, login_words, stop_with_progress
from drover_cli.console import StartProgress, done, err, out, told_plainly
from drover_cli.demo.follow import follow
from drover_cli.demo.project import make_repository
from drover_cli.demo.report import host_table, print_job, print_next
from drover_cli.demo.resources import ensure_resources, launch
from drover_cli.local.control import Stack
from drover_cli.local.errors import LocalError
from drover_cli.paths import EXAMPLES

# One host fails and one cannot be reached: that is the point of the example.
EXPECTED = {"hosts_total": 10, "hosts_failed": 1, "hosts_unreachable": 1}


def demo(stack: Stack, *, keep: bool) -> None:
    """Run the example playbook through every service; exit status 0 when it went as it should."""
    with told_plainly():
        try:
            with ready_stack(stack, keep=keep) as (url, stays):
                job = run_job(stack, url, keeps_running=stays)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
    raise typer.Exit(0 if went_as_intended(job) else 1)


@contextmanager
def ready_stack(stack: Stack, *, keep: bool) -> Iterator[tuple[str, bool]]:
    """The API's address, and whether the stack stays up afterwards; one that is up already is used as it is.

    What this starts it stops again: at the end unless `keep`, after an error or Ctrl-C always.
    """
    running = stack.current()
    if running is not None:
        if running.phase != "ready":
            raise LocalError(f"the stack is just {running.phase}", hint="try again in a moment")
        yield api_url(running), True
        return
    process = stack.spawn(tied=not keep)
    try:
        with StartProgress() as progress:
            state = stack.wait_ready(process, progress.show)
        yield api_url(state), keep
    except BaseException:
        stop_with_progress(stack, process)
        raise
    if not keep:
        stop_with_progress(stack)


def run_job(stack: Stack, url: str, *, keeps_running: bool) -> Json:
    """Make what the job needs, launch it, follow it, report it; returns the job at its end."""
    home = stack.home
    with ApiClient(url) as api:
        started = time.monotonic()
        login(api, os.environ.get("DROVER_ADMIN_PASSWORD") or home.secrets().admin_password)
        repository = home.folder / "demo" / "project"
        make_repository(EXAMPLES, repository)
        resources = ensure_resources(api, repository, (EXAMPLES / "inventory.ini").read_text())
        done(
            f"organization, project, inventory of {resources.hosts} hosts, template",
            time.monotonic() - started,
        )
        job = launch(api, resources)
        out.print(f"\n[bold]Job {job['id']}[/] launched: POST {url}/api/v1/jobs")
        log_file = home.folder / "demo" / f"job-{job['id']}.log"
        with log_file.open("wb") as log, cancelled_on_error(api, job["id"]):
            job = follow_on_terminal(api, job["id"], log)
        runs = api.get(f"/jobs/{job['id']}/runs")["items"]
        print_job(out, job, runs, api.get(f"/jobs/{job['id']}/events", limit=1)["total"])
        out.print(host_table(api.get(f"/jobs/{job['id']}/host-summaries", limit=200)["items"]))
        explain(job)
        print_next(out, url, job, log_file, login_words(home), keeps_running=keeps_running)
        return job


def login(api: ApiClient, password: str) -> None:
    try:
        api.login("admin", password, "demo")
    except ApiError as error:
        if error.status == 401:
            raise ApiError(
                "the password of admin is not the first one any more", 401, hint="set DROVER_ADMIN_PASSWORD"
            ) from error
        raise


@contextmanager
def cancelled_on_error(api: ApiClient, job_id: int) -> Iterator[None]:
    """Nobody wants a demo's job to go on after Ctrl-C, or when nobody follows it any more."""
    try:
        yield
    except (KeyboardInterrupt, LocalError):
        with suppress(ApiError):
            api.post(f"/jobs/{job_id}/cancel", {})
            err.print(f"\njob {job_id} is told to stop")
        raise


def follow_on_terminal(api: ApiClient, job_id: int, log: IO[bytes]) -> Json:
    """Show the log as it grows and keep a copy; while nothing runs yet, say why."""
    live = sys.stdout.isatty()
    waiting = out.status("waiting for an executor") if live else None

    def write(block: bytes) -> None:
        if waiting:
            waiting.stop()
        log.write(block)
        sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()

    def tell(job: Json) -> None:
        reason = job.get("pending_reason")
        if waiting and reason:
            waiting.update(f"{job['status']}: {reason['detail']}")

    if waiting:
        waiting.start()
    try:
        return follow(api, job_id, write, tell, colour=live)
    finally:
        if waiting:
            waiting.stop()


def went_as_intended(job: Json) -> bool:
    counts = {name: job["summary"][name] for name in EXPECTED}
    return bool(job["status"] == "failed" and counts == EXPECTED)


def explain(job: Json) -> None:
    """One line on why the job ended as it did."""
    if went_as_intended(job):
        words = "“failed” is right: full01 has too little disk space and gone01 does not answer, on purpose"
        out.print(f"\n[dim]{words}[/]", soft_wrap=True)
    else:
        words = "Something is wrong: of ten hosts, one should have failed and one been unreachable"
        out.print(f"\n[red]{words}[/]; the log above says why", soft_wrap=True)
