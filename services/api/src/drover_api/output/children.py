"""The events below another one: a play's tasks, a task's results."""

from typing import Any
from uuid import UUID

from drover_shared.db.models import JobEvent
from drover_shared.domain.events import EventType
from sqlalchemy import ColumnElement, ScalarSelect, and_, func, or_, select
from sqlalchemy.orm import aliased

_END = 2**62  # beyond every seq


def is_child(run_id: UUID, parent_seq: int) -> ColumnElement[bool]:
    """Whether an event of the run is a child of the one numbered `parent_seq`.

    A play's children are the tasks that start before the next play does. A task's are the events of a task of
    its name before one of that name, or the next play, starts: with the free strategy tasks overlap, and so
    do their results. What starts nothing has no children.
    """
    names = ("event_type", "play_name", "task_name")
    kind, play, task = (_of_parent(run_id, parent_seq, name) for name in names)
    same_task = and_(
        JobEvent.task_name.is_not_distinct_from(task), JobEvent.play_name.is_not_distinct_from(play)
    )
    end = func.least(
        func.coalesce(_next_start(run_id, parent_seq, EventType.PLAY_STARTED), _END),
        func.coalesce(_next_start(run_id, parent_seq, EventType.TASK_STARTED, task), _END),
    )
    return and_(
        kind.in_((EventType.PLAY_STARTED, EventType.TASK_STARTED)),  # else no row is looked at
        JobEvent.seq > parent_seq,
        JobEvent.seq < end,
        or_(
            and_(kind == EventType.PLAY_STARTED, JobEvent.event_type == EventType.TASK_STARTED),
            and_(kind == EventType.TASK_STARTED, JobEvent.event_type != EventType.TASK_STARTED, same_task),
        ),
    )


def _of_parent(run_id: UUID, parent_seq: int, column: str) -> ScalarSelect[Any]:
    parent = aliased(JobEvent)
    found = select(getattr(parent, column)).where(parent.job_run_id == run_id, parent.seq == parent_seq)
    return found.scalar_subquery()


def _next_start(
    run_id: UUID, parent_seq: int, kind: EventType, task: ScalarSelect[Any] | None = None
) -> ScalarSelect[Any]:
    """The seq of the next event of its kind; of tasks the next of that name, for a play (no name) none."""
    following = aliased(JobEvent)
    found = select(func.min(following.seq)).where(
        following.job_run_id == run_id, following.seq > parent_seq, following.event_type == kind
    )
    return (found if task is None else found.where(following.task_name == task)).scalar_subquery()
