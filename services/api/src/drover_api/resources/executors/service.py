"""Executors register themselves; superusers drain them, remove them, and name pools."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from drover_shared.db.models import Executor, ExecutorPool, JobRun, JobTemplate, Project
from drover_shared.domain.errors import ConflictError, FieldError, InvalidError
from drover_shared.domain.states import LIVE_RUN_STATES
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.require import label_of, require_superuser
from drover_api.bootstrap import DEFAULT_POOL
from drover_api.resources.crud import Resource, Values
from drover_api.resources.executors.schemas import (
    ExecutorBodySchema,
    ExecutorPoolBodySchema,
    ExecutorPoolSchema,
    ExecutorQuery,
    ExecutorSchema,
)


class Executors(Resource):
    model = Executor
    kind = "executor"
    out = ExecutorSchema
    body = ExecutorBodySchema
    query = ExecutorQuery
    order_fields = ("id", "name", "created_at", "last_seen_at")

    def filters(self) -> Mapping[str, Callable[[Any], ColumnElement[bool]]]:
        return {"pool": lambda pool: Executor.pools.any_() == pool}

    def before_delete(self, db: Session, principal: Principal, row: Executor) -> None:
        del principal
        if runs := _current_runs(db, [row.id])[row.id]:
            raise ConflictError(f"executor {row.id} still runs {', '.join(map(str, runs))}")

    def present(self, db: Session, rows: Sequence[Executor]) -> Sequence[Values]:
        runs = _current_runs(db, [row.id for row in rows])
        shown = (
            "id",
            "name",
            "pools",
            "slots",
            "version",
            "isolation",
            "draining",
            "created_at",
            "last_seen_at",
        )
        return [{name: getattr(row, name) for name in shown} | {"current_runs": runs[row.id]} for row in rows]


def _current_runs(db: Session, executor_ids: Sequence[int]) -> dict[int, list[UUID]]:
    found: dict[int, list[UUID]] = defaultdict(list)
    query = select(JobRun.executor_id, JobRun.id).where(
        JobRun.executor_id.in_(executor_ids), JobRun.state.in_(sorted(LIVE_RUN_STATES))
    )
    for executor_id, run_id in db.execute(query.order_by(JobRun.id)):
        if executor_id is not None:
            found[executor_id].append(run_id)
    return found


class ExecutorPools(Resource):
    model = ExecutorPool
    kind = "executor_pool"
    out = ExecutorPoolSchema
    body = ExecutorPoolBodySchema

    def may_create(self, db: Session, principal: Principal, values: Values) -> None:
        del db, values
        require_superuser(principal)

    def check(self, db: Session, principal: Principal, values: Values, row: ExecutorPool | None) -> None:
        del principal
        if row is not None and row.name != values["name"]:
            self._refuse_if_named(db, row, "renamed")

    def before_delete(self, db: Session, principal: Principal, row: ExecutorPool) -> None:
        del principal
        self._refuse_if_named(db, row, "deleted")

    def _refuse_if_named(self, db: Session, row: ExecutorPool, what: str) -> None:
        """Templates and executors know a pool by its name."""
        if row.name == DEFAULT_POOL:
            raise ConflictError(f"the pool {DEFAULT_POOL} cannot be {what}")
        for model in (JobTemplate, Project):
            query = select(model.id).where(model.executor_pool == row.name).order_by(model.id)
            if (user_id := db.scalars(query.limit(1)).first()) is not None:
                raise ConflictError(f"executor pool {row.id} is in use by {label_of(model)} {user_id}")


def require_pool(db: Session, name: str) -> None:
    """Raise InvalidError where there is no such pool."""
    if db.scalar(select(ExecutorPool.id).where(ExecutorPool.name == name)) is None:
        raise InvalidError(FieldError("/executor_pool", "There is no such pool."))
