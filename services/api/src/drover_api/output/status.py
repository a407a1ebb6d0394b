"""Where followed runs stand, in a few queries however many they are."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from drover_shared.db.models import Job, JobRun
from drover_shared.domain.states import FINAL_RUN_STATES
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from drover_api.jobs.progress import outputs_of
from drover_api.output.log import extents

LINGER = timedelta(seconds=30)  # how long the rest of an ended run's output is waited for


@dataclass(frozen=True, slots=True)
class RunStatus:
    """`…_over` means that nothing more will come; `log_size` is what can be read without a gap."""

    run_id: UUID
    state: str
    job_status: str
    last_event_seq: int
    log_size: int
    events_complete: bool
    log_complete: bool
    ended_long_ago: bool

    @property
    def ended(self) -> bool:
        return self.state in FINAL_RUN_STATES

    @property
    def events_over(self) -> bool:
        return self.ended and (self.events_complete or self.ended_long_ago)

    @property
    def log_over(self) -> bool:
        return self.ended and (self.log_complete or self.ended_long_ago)


def run_statuses(session: Session, run_ids: Iterable[UUID]) -> dict[UUID, RunStatus]:
    """By run; one that was deleted is left out.

    The states are read before the outputs: of a run that is over, its whole output is seen.
    """
    wanted = list(run_ids)
    rows = session.execute(
        select(JobRun.id, JobRun.state, JobRun.finished_at, Job.status, func.now().label("now"))
        .join(Job, Job.id == JobRun.job_id)
        .where(JobRun.id.in_(wanted))
    ).all()
    outputs, logs = outputs_of(session, wanted), extents(session, wanted)
    return {
        row.id: RunStatus(
            run_id=row.id,
            state=row.state,
            job_status=row.status,
            last_event_seq=outputs[row.id].last_event_seq,
            log_size=logs[row.id].size if row.id in logs else 0,
            events_complete=outputs[row.id].events_complete,
            log_complete=outputs[row.id].log_complete,
            ended_long_ago=_long_ago(row.finished_at, row.now),
        )
        for row in rows
        if row.id in outputs
    }


def _long_ago(finished_at: datetime | None, now: datetime) -> bool:
    return finished_at is not None and now - finished_at > LINGER
