"""Ends what a dead executor left: its processes at once, its finished runs' output when it is stored."""

import contextlib
import shutil
import threading
from pathlib import Path
from uuid import UUID

import structlog
from drover_shared.logging import get_logger

from drover_executor.client.run_api import RunApi
from drover_executor.client.transport import Transport
from drover_executor.running.control import Control
from drover_executor.running.ending import Ending, is_kept
from drover_executor.running.finish import Finisher
from drover_executor.running.workspace import Workspace, locked
from drover_executor.shipping.shipper import Shipper
from drover_executor.shipping.sinks import MakeSink

_log = get_logger("drover.executor.resume")
_STOP_SECONDS = 5.0


def clear_leftovers(root: Path) -> list[Path]:
    """End and remove runs whose executor is dead: their leases end, and new attempts take over.

    Returns the folders of those that had come to their end: their output is kept for a `Resumer`.
    """
    kept = []
    for folder in (root / "runs").glob("*"):
        try:
            run_id = UUID(folder.name)
        except ValueError:
            continue
        with contextlib.suppress(BlockingIOError, FileNotFoundError), locked(folder):
            space = Workspace(run_id, folder, folder / "private")
            space.kill_processes()
            space.forget_secrets()
            if is_kept(folder):
                kept.append(folder)
                continue
            shutil.rmtree(folder, ignore_errors=True)
            _log.warning("leftover_run_removed", job_run_id=str(run_id))
    return kept


class Resumer:
    """Brings the output of finished runs to the stores, one thread a run."""

    def __init__(self, transport: Transport, make_sink: MakeSink) -> None:
        self._transport, self._make_sink = transport, make_sink
        self._working: list[tuple[threading.Thread, Control]] = []

    def start(self, folders: list[Path]) -> None:
        for folder in folders:
            control = Control()
            thread = threading.Thread(target=self._resume, args=(folder, control), daemon=True)
            self._working.append((thread, control))
            thread.start()

    def stop(self) -> None:
        """What is not stored yet stays for the next start."""
        for _, control in self._working:
            control.stop("this executor stops")
        for thread, _ in self._working:
            thread.join(_STOP_SECONDS)

    def _resume(self, folder: Path, control: Control) -> None:
        with (
            contextlib.closing(control),
            structlog.contextvars.bound_contextvars(job_run_id=folder.name),
            contextlib.suppress(BlockingIOError, FileNotFoundError),
            locked(folder),
        ):
            ending = Ending.read(folder)
            if ending is not None:
                complete = self._finish(folder, ending, control)
                _log.info("run_resumed", complete=complete)
                if not complete and is_kept(folder):
                    return
            shutil.rmtree(folder, ignore_errors=True)

    def _finish(self, folder: Path, ending: Ending, control: Control) -> bool:
        api = RunApi(self._transport, ending.claim)
        sink = self._make_sink(ending.claim, ending.job_id, api)
        shipper = Shipper.resumed(folder / "spool", sink, ending.chunk_ends)
        return Finisher(api, control, shipper, folder, lambda: None).finish(ending.outcome)
