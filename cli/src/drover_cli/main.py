"""The commands of `./drover`."""

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Drover runs Ansible for teams.")


@app.command()
def lock() -> None:
    """Pin every dependency again."""


@app.command()
def lint() -> None:
    """Check."""
