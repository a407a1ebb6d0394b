"""The commands of `./drover`."""

from typing import Annotated

import typer

from drover_cli import commands_admin, commands_conformance, commands_demo, commands_stack, console
from drover_cli.console import told_plainly
from drover_cli.local.control import Stack
from drover_cli.paths import ROOT
from drover_cli.tools import benches, checks, storms
from drover_cli.tools.locks import compile_all

# For commands that hand their arguments, options and --help too, to another program.
PASSING_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Drover runs Ansible for teams.")
admin = typer.Typer(no_args_is_help=True, help="What an operator needs now and then.")
app.add_typer(admin, name="admin", rich_help_panel="The stack on this machine")


def here() -> Stack:
    with told_plainly():
        return commands_stack.stack_here()


@app.command(rich_help_panel="The stack on this machine")
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack up at the end.")] = False,
) -> None:
    """Run a real playbook through every service, and show all of it."""
    commands_demo.demo(here(), keep=keep)


@app.command(rich_help_panel="The stack on this machine")
def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when everything is ready.")] = False,
) -> None:
    """Start PostgreSQL, Redis, S3 and Drover's services; Ctrl-C stops them."""
    commands_stack.up(here(), detach=detach)


@app.command(rich_help_panel="The stack on this machine")
def down() -> None:
    """Stop everything; the data is kept."""
    commands_stack.down(here())


@app.command(rich_help_panel="The stack on this machine")
def status() -> None:
    """Show each service: process, port, readiness."""
    raise typer.Exit(commands_stack.status(here()))


@app.command(rich_help_panel="The stack on this machine")
def logs(
    service: Annotated[str, typer.Argument(help="api, scheduler, event-ingest, log-store, executor, …")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
) -> None:
    """Show the end of a service's log."""
    commands_stack.logs(here(), service, follow=follow)


@admin.command(context_settings=PASSING_ON)
def check(context: typer.Context) -> None:
    """Ask every dependency; a line each says how it is."""
    raise typer.Exit(commands_admin.run(here(), "check", context.args))


@admin.command(context_settings=PASSING_ON)
def create_admin(context: typer.Context) -> None:
    """Make the first administrator where there is none."""
    raise typer.Exit(commands_admin.run(here(), "create-admin", context.args))


@admin.command(context_settings=PASSING_ON)
def rotate_keys(context: typer.Context) -> None:
    """Encrypt every secret with the first of the secret keys."""
    raise typer.Exit(commands_admin.run(here(), "rotate-keys", context.args))


@admin.command(context_settings=PASSING_ON)
def stats(context: typer.Context) -> None:
    """Count jobs, runs, executors, what waits, and the largest tables."""
    raise typer.Exit(commands_admin.run(here(), "stats", context.args))


@admin.command(context_settings=PASSING_ON)
def drain(context: typer.Context) -> None:
    """Let an executor finish and take nothing new; -h tells more."""
    raise typer.Exit(commands_admin.run(here(), "drain", context.args))


@admin.command(context_settings=PASSING_ON)
def requeue(context: typer.Context) -> None:
    """Look at what waits at once; -h tells more."""
    raise typer.Exit(commands_admin.run(here(), "requeue", context.args))


@admin.command(context_settings=PASSING_ON)
def dead_letters(context: typer.Context) -> None:
    """List, show and replay what could not be stored; -h tells more."""
    raise typer.Exit(commands_admin.run(here(), "dead-letters", context.args))


@admin.command(context_settings=PASSING_ON)
def retention(context: typer.Context) -> None:
    """Name, and drop, the events of days gone by; -h tells more."""
    raise typer.Exit(commands_admin.run(here(), "retention", context.args))


@admin.command(context_settings=PASSING_ON)
def backup(context: typer.Context) -> None:
    """Copy the database and all objects into a folder, beside running services."""
    raise typer.Exit(commands_admin.run(here(), "backup", context.args))


@admin.command(context_settings=PASSING_ON)
def restore(context: typer.Context) -> None:
    """Bring a backup back; with --replace in place of what there is."""
    raise typer.Exit(commands_admin.run(here(), "restore", context.args))


@admin.command(context_settings=PASSING_ON)
def job_retention(context: typer.Context) -> None:
    """Count, and remove, jobs that ended long ago, with all they left; -h tells more."""
    raise typer.Exit(commands_admin.run(here(), "job-retention", context.args))


@app.command(rich_help_panel="Development", context_settings=PASSING_ON)
def test(context: typer.Context) -> None:
    """Run the tests on servers of their own; arguments go to pytest."""
    raise typer.Exit(checks.test(ROOT, context.args))


@app.command(rich_help_panel="Development", context_settings=PASSING_ON)
def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What to measure; left out, all that can be.")] = "",
) -> None:
    """Measure events or logs against the limit of what carries them; arguments go to the script."""
    if name in benches.names(ROOT):
        raise typer.Exit(benches.run(ROOT, name, context.args))
    console.err.print(
        f"usage: ./drover bench {'|'.join(benches.names(ROOT))} [--help | options]", markup=False
    )
    raise typer.Exit(2)


@app.command(rich_help_panel="Development", context_settings=PASSING_ON)
def chaos(context: typer.Context) -> None:
    """Run jobs while everything under them is killed and frozen; --minutes and --seed choose the storm."""
    raise typer.Exit(storms.storm(ROOT, context.args))


@app.command(rich_help_panel="Development")
def conformance(
    url: Annotated[str, typer.Argument(help="The API to try; left out, the one of this machine.")] = "",
    username: Annotated[str, typer.Option(help="An administrator.")] = "admin",
    executor: Annotated[str, typer.Option(help="A command line that starts an executor: try that.")] = "",
    rule: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
) -> None:
    """Hold an API, or an executor in any language, to the executor protocol, rule by rule."""
    if executor:
        raise typer.Exit(commands_conformance.executor_conformance(executor, tuple(rule or ())))
    raise typer.Exit(commands_conformance.conformance(here(), url, username, tuple(rule or ())))


@app.command(rich_help_panel="Development")
def lint() -> None:
    """Check style, format, types and imports."""
    failed = checks.lint(ROOT, console.checked)
    raise typer.Exit(failed)


@app.command(rich_help_panel="Development")
def lock(
    upgrade: Annotated[bool, typer.Option(help="Take newer versions, too.")] = False,
) -> None:
    """Pin every dependency again, with hashes."""
    for path in compile_all(ROOT, upgrade=upgrade):
        typer.echo(path)
