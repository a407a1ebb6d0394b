"""What live readers of this application watch: runs and jobs."""

from collections.abc import Callable, Iterable
from functools import partial
from uuid import UUID

from flask import current_app
from sqlalchemy.orm import Session

from drover_api.deps import Deps, deps
from drover_api.jobs.watch import JobState, job_states
from drover_api.live.board import Board
from drover_api.live.shared_reads import SharedReads
from drover_api.output.log import LogReader
from drover_api.output.status import RunStatus, run_statuses

JOB_GAP_SECONDS = 0.25  # a job's counts change with every batch of its events
_EXTENSION = "drover-boards"


class Boards:
    """Nothing runs before somebody watches."""

    def __init__(self, found: Deps) -> None:
        self.sessions: Callable[[], Session] = found.sessions
        self.reads: SharedReads = found.live.reads
        self.reader = LogReader(found.sessions, found.objects)
        self.runs: Board[UUID, RunStatus] = Board(
            found.live.loop,
            found.live.bells,
            partial(_read_runs, found.sessions),
            lambda run_id, _state: run_id,
        )
        self.jobs: Board[int, JobState] = Board(
            found.live.loop,
            found.live.bells,
            partial(_read_jobs, found.sessions),
            lambda _job_id, state: None if state is None else state.run_id,
            gap_seconds=JOB_GAP_SECONDS,
        )


def boards() -> Boards:
    """The running application's own."""
    found: Boards | None = current_app.extensions.get(_EXTENSION)
    if found is None:
        found = current_app.extensions.setdefault(_EXTENSION, Boards(deps()))
    return found


def _read_runs(sessions: Callable[[], Session], run_ids: Iterable[UUID]) -> dict[UUID, RunStatus]:
    with sessions() as session:
        return run_statuses(session, run_ids)


def _read_jobs(sessions: Callable[[], Session], job_ids: Iterable[int]) -> dict[int, JobState]:
    with sessions() as session:
        return job_states(session, job_ids)
