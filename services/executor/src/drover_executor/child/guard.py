"""The guard of one run: the process above all others of it. It does next to nothing, so little can stop it.

It ends every process below it when the run's deadline has passed, whatever became of the executor: frozen,
swapped out, killed. Until then it reads no output and writes no file, so that a full disk or a slow one does
not hold it up.
"""

import contextlib
import os
import select
import shutil
from pathlib import Path

from drover_executor.child import tree
from drover_executor.child.spec import PRIVATE, end_container_of
from drover_executor.lease_clock import Deadline

EXPIRED = "expired"  # this file in the run's folder says that the guard ended the run
_LOOK_SECONDS = 1.0  # a machine's sleep does not count as waiting, but as time


def guard(worker: int, deadline: Deadline, folder: Path) -> int:
    """Wait for `worker`, this process's child, and end all that it leaves; returns an exit status.

    Where nobody moved the deadline in time there may be no executor any more: the secrets go, too.
    """
    in_time = _wait(worker, deadline)
    status = tree.end_below(os.getpid()).get(worker)
    if not in_time:
        with contextlib.suppress(OSError):
            (folder / EXPIRED).touch()
        shutil.rmtree(folder / PRIVATE, ignore_errors=True)
    if not in_time or status != 0:
        end_container_of(folder)  # docker's is not below this process, and podman's leaves its record
    return 1 if status is None else min(abs(os.waitstatus_to_exitcode(status)), 255)


def _wait(worker: int, deadline: Deadline) -> bool:
    """Whether the worker ended before the deadline."""
    descriptor = os.pidfd_open(worker)
    while (left := deadline.left) > 0:
        if select.select([descriptor], [], [], min(left, _LOOK_SECONDS))[0]:
            return True
    return False
