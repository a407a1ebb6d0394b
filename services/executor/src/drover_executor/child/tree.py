"""Finds and ends every process of a run: Ansible's workers leave its process group and session."""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends (Linux)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends (Linux)."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def descendants(root: int) -> list[int]:
    """The living processes below `root`; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        parent = _living_parent(entry)
        if parent is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def _living_parent(entry: Path) -> int | None:
    try:
        fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[1]) if fields and fields[0] not in (b"Z", b"X") else None


def with_environment(marker: bytes) -> list[int]:
    """The processes whose environment holds `marker` (`NAME=value`), whatever became of their parents."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if marker in variables and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def kill_all(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def end_below(root: int, seconds: float = 5.0) -> dict[int, int]:
    """Kill everything below this process (`root` is its own pid) and collect it: pid → wait status.

    What was started meanwhile is found in the next round. What may not be killed, because it became another
    user's, is left after `seconds`: it must not keep the run from ending.
    """
    ended: dict[int, int] = {}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        left = descendants(root)
        kill_all(left)
        await_end(left, max(0.0, deadline - time.monotonic()))
        collected = reap()
        ended |= collected
        if not left and not collected:
            break
    return ended


def reap() -> dict[int, int]:
    """Collect ended children, adopted ones too, without waiting: pid → wait status."""
    ended: dict[int, int] = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            ended[pid] = status
    return ended


def await_end(pids: list[int], seconds: float) -> None:
    """Wait until these processes have ended, this one's children or not, or `seconds` have passed."""
    deadline = time.monotonic() + seconds
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        finally:
            os.close(descriptor)
