"""What every attempt on this executor shares: claims, folders, and that no failure leaves its attempt."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import structlog
from drover_shared.logging import get_logger

from drover_executor.client.errors import NotOursError, RefusedError, UnavailableError
from drover_executor.client.registration import Registration
from drover_executor.client.run_api import Claim, RunApi
from drover_executor.client.transport import Transport
from drover_executor.containers.containers import Containers
from drover_executor.failures import AbandonedError
from drover_executor.lease_clock import Deadline, lease_clock
from drover_executor.project.checkout import ProjectSource
from drover_executor.running.attempt import Attempt
from drover_executor.running.control import Control
from drover_executor.running.lease import Lease, dead_at
from drover_executor.running.preparation import Preparation
from drover_executor.running.record import Record
from drover_executor.running.workspace import Workspace, locked, workspace, workspace_again
from drover_executor.settings import ExecutorSettings
from drover_executor.shipping.sinks import MakeSink

_log = get_logger("drover.executor.run")
_CLAIM_TRIES = 3


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run that an executor before this one left: its folder and what is known of it."""

    folder: Path
    record: Record

    @property
    def run_id(self) -> UUID:
        return self.record.claim.run_id


def found_runs(root: Path) -> list[FoundRun]:
    """The runs under `root` whose executor is dead; those of which nothing is known are ended and removed."""
    found = []
    for folder in sorted((root / "runs").glob("*")):
        try:
            run_id = UUID(folder.name)
        except ValueError:
            continue
        with contextlib.suppress(BlockingIOError, FileNotFoundError), locked(folder):
            record = Record.read(folder)
            if record is not None and record.claim.run_id == run_id:
                found.append(FoundRun(folder, record))
                continue
            space = Workspace(run_id, folder, folder / "private")
            space.kill_processes()
            shutil.rmtree(folder, ignore_errors=True)
            _log.warning("leftover_run_removed", job_run_id=str(run_id))
    return found


class RunnerFactory:
    """Runs attempts, each in a thread of its own."""

    def __init__(
        self,
        settings: ExecutorSettings,
        containers: Containers | None,
        transport: Transport,
        registration: Registration,
        make_sink: MakeSink,
    ) -> None:
        self._folder, self._transport, self._registration = settings.folder, transport, registration
        self._make_sink = make_sink
        self._reserve_bytes = settings.reserve_bytes
        source = ProjectSource(
            settings.folder,
            settings.local_roots,
            settings.git_seconds,
            depth=settings.git_depth,
            max_bytes=settings.project_mb * 1_000_000,
            ca_file=settings.ca_file,
            known_hosts=settings.known_hosts,
        )
        self._preparation = Preparation(source, containers, settings.output_mb * 1_000_000)

    def claim(self, run_id: UUID) -> Claim | None:
        """Claim a run; None where it is not to be had."""
        for _ in range(_CLAIM_TRIES):
            claimed_at = lease_clock()
            try:
                return Claim.read(run_id, self._registration.claim(run_id), claimed_at)
            except (NotOursError, RefusedError):
                return None
            except UnavailableError as error:
                _log.warning("claim_failed", job_run_id=str(run_id), error=str(error))
        return None

    def run(self, claim: Claim, control: Control) -> None:
        """Run a claimed attempt to its end."""
        with _contained(claim.run_id), workspace(self._folder, claim.run_id, self._reserve_bytes) as space:
            deadline = Deadline(space.folder, create=True)
            lease = Lease(claim.lease_seconds, dead_at(claim.lease_seconds, claim.claimed_at), deadline)
            record = Record(claim, space.sockets).changed(space.folder)
            attempt = self._attempt(record, control, space, lease)
            _kept_only_for_later(attempt.run, control, space)

    def resume(self, found: FoundRun, control: Control) -> None:
        """Go on with a run whose executor died."""
        record = found.record
        with (
            _contained(found.run_id),
            workspace_again(found.folder, found.run_id, record.sockets) as space,
        ):
            lease = Lease.found(record.claim.lease_seconds, Deadline(space.folder))
            attempt = self._attempt(record, control, space, lease)
            _kept_only_for_later(attempt.resume, control, space)

    def _attempt(self, record: Record, control: Control, space: Workspace, lease: Lease) -> Attempt:
        api = RunApi(self._transport, record.claim)
        return Attempt(api, self._make_sink, self._preparation, record, control, space, lease)


@contextlib.contextmanager
def _contained(run_id: UUID) -> Iterator[None]:
    """Whatever goes wrong stays within this attempt."""
    with structlog.contextvars.bound_contextvars(job_run_id=str(run_id)):
        try:
            yield
        except AbandonedError as error:
            _log.warning("run_abandoned", why=str(error))
        except Exception:  # noqa: BLE001 - the executor serves other runs; this one's lease ends
            _log.exception("run_broke")


def _kept_only_for_later(work: Callable[[], None], control: Control, space: Workspace) -> None:
    """Do the work; a run that could not be ended is forgotten, but when this executor is being stopped."""
    try:
        work()
    except Exception:
        if not control.stopping:
            Record.forget(space.folder)
        raise
