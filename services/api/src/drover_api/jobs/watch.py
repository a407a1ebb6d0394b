"""Jobs as their live readers see them."""

import json
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from drover_shared.db.models import Job, JobRun
from drover_shared.domain.states import FINAL_JOB_STATUSES
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from drover_api.http.etags import tag_of
from drover_api.jobs.pending import pending_reason
from drover_api.jobs.schemas import JobDetailSchema
from drover_api.jobs.views import job_documents
from drover_api.live import sse
from drover_api.live.board import Board

LINGER = timedelta(seconds=30)  # how long the rest of a finished job's output is waited for


@dataclass(frozen=True, slots=True)
class JobState:
    """`tag` is the ETag of the job's document; `over` means that it will not change by itself any more.

    `slices`: the jobs that it was split into, in their order.
    """

    run_id: UUID | None
    attempt: int
    status: str
    over: bool
    tag: str
    document: str
    slices: tuple[int, ...]
    events_complete: bool
    log_complete: bool

    @property
    def ended(self) -> bool:
        return self.status in FINAL_JOB_STATUSES


def job_states(session: Session, job_ids: Iterable[int]) -> dict[int, JobState]:
    """By job; one that was deleted is left out."""
    rows = session.execute(
        select(Job, JobRun.attempt_number, func.now().label("now"))
        .join(JobRun, JobRun.id == Job.current_run_id, isouter=True)
        .where(Job.id.in_(list(job_ids)))
    ).all()
    documents = job_documents(session, [row.Job for row in rows])
    states = {}
    for row, found in zip(rows, documents, strict=True):
        job: Job = row.Job
        shown = JobDetailSchema().dump(found | {"pending_reason": pending_reason(session, job)})
        complete = shown["events_complete"] and shown["log_complete"]
        late = job.finished_at is not None and row.now - job.finished_at > LINGER
        states[job.id] = JobState(
            run_id=job.current_run_id,
            attempt=row.attempt_number or 0,
            status=job.status,
            over=job.status in FINAL_JOB_STATUSES and (complete or late),
            tag=tag_of(shown),
            document=json.dumps(shown, ensure_ascii=False),
            slices=tuple(one["job_id"] for one in shown["slices"]),
            events_complete=shown["events_complete"],
            log_complete=shown["log_complete"],
        )
    return states


async def job_stream(board: Board[int, JobState], job_id: int, last_tag: str) -> AsyncGenerator[bytes, None]:
    """The job's document whenever it changes, each once and the newest only, then `event: end`.

    `id:` is the document's ETag: what a reader has seen last is not told again.
    """
    yield sse.RETRY
    async with board.watch(job_id) as watch:
        while True:
            version, state = watch.version, watch.state
            if state is not None and state.tag != last_tag:
                last_tag = state.tag
                yield f"id: {state.tag}\nevent: job\ndata: {state.document}\n\n".encode()
            if state is None or state.over:
                yield sse.message(_end(state), event="end")
                return
            if not await watch.news(version):
                yield sse.PING


def _end(state: JobState | None) -> dict[str, Any]:
    return {"job_status": None if state is None else state.status}
