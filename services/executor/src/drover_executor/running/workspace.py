"""A run's private folder.

DIR/runs/<run id>/   mode 0700, locked (flock) by the executor that owns it, as long as it lives
run.json         what the next start needs to go on with it (see `record`)
deadline         until when its processes may live (see `lease_clock`)
private/         inventory, variables, credentials: gone when the playbook ends
project/         the checkout
inventory/       the checkout of the inventory's project, where that is another one
spool/           events and log, until the API has confirmed them
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from drover_executor.child import tree
from drover_executor.child.spec import PRIVATE, SPOOL
from drover_executor.running.record import is_kept

_KILL_SECONDS = 5.0  # what may not be killed must not keep the run from ending
RUN_VARIABLE = "DROVER_JOB_RUN_ID"  # stands in the environment of every process of a run


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths of one run; `sockets` is short, for the limit on a Unix socket's path.

    `reserve_bytes`: what its output must leave free on the disk.
    """

    run_id: UUID
    folder: Path
    sockets: Path
    reserve_bytes: int = 0

    @property
    def private(self) -> Path:
        return self.folder / PRIVATE

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory"

    @property
    def spool(self) -> Path:
        return self.folder / SPOOL

    def write_private(self, name: str, text: str) -> Path:
        """A new file of mode 0600 in `private`."""
        path = self.private / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)
        return path

    def forget(self, name: str) -> None:
        """Remove a folder of `private`."""
        shutil.rmtree(self.private / name, ignore_errors=True)

    def forget_secrets(self) -> None:
        """Remove everything but the spool."""
        for path in (self.private, self.project, self.inventory, self.sockets):
            shutil.rmtree(path, ignore_errors=True)

    def kill_processes(self) -> None:
        """End every process of this run that is still there, whatever became of its parents."""
        marker = f"{RUN_VARIABLE}={self.run_id}".encode()
        deadline = time.monotonic() + _KILL_SECONDS
        while time.monotonic() < deadline and (left := tree.with_environment(marker)):
            tree.kill_all(left)
            tree.await_end(left, max(0.0, deadline - time.monotonic()))


@contextlib.contextmanager
def workspace(root: Path, run_id: UUID, reserve_bytes: int) -> Iterator[Workspace]:
    """Make a run's folder, and end it with all its processes. Raises OSError.

    It stays where the next start has something to do for it: see `record`.
    """
    folder = root / "runs" / str(run_id)
    folder.mkdir(mode=0o700, parents=True)
    with locked(folder):
        space = Workspace(run_id, folder, Path(tempfile.mkdtemp(prefix="drover-")), reserve_bytes)
        for path in (space.private, space.spool):
            path.mkdir(mode=0o700)
        with _ending(space):
            yield space


@contextlib.contextmanager
def workspace_again(folder: Path, run_id: UUID, sockets: Path) -> Iterator[Workspace]:
    """The folder of a run whose executor is dead; it ends as `workspace` does. Raises OSError."""
    with locked(folder):
        space = Workspace(run_id, folder, sockets)
        with _ending(space):
            yield space


@contextlib.contextmanager
def _ending(space: Workspace) -> Iterator[None]:
    try:
        yield
    finally:
        space.kill_processes()
        space.forget_secrets()
        if not is_kept(space.folder):
            shutil.rmtree(space.folder, ignore_errors=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Raises BlockingIOError where its owner lives."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
