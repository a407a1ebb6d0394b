"""Runs a helper program such as git, so that it ends when the attempt does."""

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

_CHECK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Ended:
    """A helper's end: exit status and both outputs as text."""

    status: int
    output: str
    errors: str


class TooSlowError(Exception):
    """It ran out of its time and was killed."""


def run_helper(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    seconds: float,
    check: Callable[[], None],
    limits: Mapping[int, int] = MappingProxyType({}),
) -> Ended:
    """Run to the end, calling `check` meanwhile, which may raise. Raises TooSlowError, and OSError.

    `limits` are of `resource` (RLIMIT_…), for the program and all it starts.
    """
    deadline = time.monotonic() + seconds
    with subprocess.Popen(
        command,
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            with contextlib.suppress(ProcessLookupError):
                for kind, limit in limits.items():
                    resource.prlimit(process.pid, kind, (limit, limit))
            while True:
                check()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    output, errors = process.communicate(timeout=_CHECK_SECONDS)
                    return Ended(process.returncode, _text(output), _text(errors))
                if time.monotonic() > deadline:
                    raise TooSlowError
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
