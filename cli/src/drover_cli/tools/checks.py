"""`./drover lint` and `./drover test`: the same commands here and in continuous integration."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

LINTS = (
    ("style", ["ruff", "check"]),
    ("format", ["ruff", "format", "--check"]),
    ("types", ["mypy"]),
    ("imports", ["lint-imports"]),
)
# in the order, and in the groups, that tests/conftest.py says
WHOLE_SUITE = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder", "--durations=15")


def program(name: str) -> str:
    """A program of the environment that runs this."""
    return str(Path(sys.executable).with_name(name))


def lint(root: Path, heading: Callable[[str, float, bool], None]) -> int:
    """Run every check, also after one failed; returns 1 when any did. `heading` is told each result."""
    failed = 0
    for name, (command, *arguments) in LINTS:
        started = time.monotonic()
        done = subprocess.run(
            [program(command), *arguments],
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        heading(
            f"{name:<8} {command} {' '.join(arguments)}", time.monotonic() - started, done.returncode == 0
        )
        if done.returncode != 0:
            print(done.stdout, flush=True)
            failed = 1
    return failed


def test(root: Path, arguments: Sequence[str]) -> int:
    """Run pytest; returns its exit status.

    Its servers are its own, in folders and on ports of its own: variables that speak of a running stack
    are kept from it. The whole suite runs in two workers, each with its own servers; arguments of one's own
    go to one plain pytest.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith("DROVER_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *(arguments or WHOLE_SUITE)], cwd=root, env=env, check=False
    )
    return done.returncode
