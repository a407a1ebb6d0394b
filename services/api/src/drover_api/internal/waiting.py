"""The long poll of executors that cannot reach the queue: they wait in the event loop, as many as there are.

One query every LOOK_SECONDS says what waits for all of them. A run is offered to one of them at a time; it
reserves nothing, the claim decides.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import NamedTuple
from uuid import UUID

from drover_shared.db.attempts import is_available
from drover_shared.db.models import Executor, JobRun
from drover_shared.domain.states import RunState
from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from drover_api.deps import Deps, deps
from drover_api.internal.attempts import can_be_run_by, pool_is_open
from drover_api.live.board import Board

LOOK_SECONDS = 0.5  # how often the database is asked; it alone knows what waits
OFFER_SECONDS = 2.0  # a run that was offered and not claimed meanwhile is offered to somebody else
MOST_RUNS = 200  # that are looked at in one query
_EXTENSION = "drover-waiting-executors"


class Waiter(NamedTuple):
    """An executor, the pools it asks for now (None: all of its own), and whether it takes slices."""

    executor_id: int
    pools: tuple[str, ...] | None
    knows_slices: bool


class Waiting:
    """The executors that wait at this process."""

    def __init__(self, found: Deps) -> None:
        self._board: Board[Waiter, tuple[UUID, ...]] = Board(
            found.live.loop,
            found.live.bells,
            partial(_read, found.sessions),
            lambda _waiter, _runs: None,
            look_seconds=LOOK_SECONDS,
        )
        self._offered: dict[UUID, float] = {}

    async def next_run(self, waiter: Waiter, seconds: float) -> UUID | None:
        """A run for the executor, or None when none came within `seconds`."""
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(seconds), self._board.watch(waiter) as watch:
                while True:
                    version = watch.version
                    found = self._offer(watch.state or (), clock())
                    if found is not None:
                        return found
                    with suppress(TimeoutError):
                        async with asyncio.timeout(OFFER_SECONDS):
                            await watch.news(version)
        except TimeoutError:
            return None

    def _offer(self, runs: Iterable[UUID], now: float) -> UUID | None:
        for run in runs:
            if now - self._offered.get(run, -OFFER_SECONDS) >= OFFER_SECONDS:
                self._offered[run] = now
                self._forget(now)
                return run
        return None

    def _forget(self, now: float) -> None:
        """What was offered so long ago that it may be offered again."""
        if len(self._offered) > MOST_RUNS:
            self._offered = {run: at for run, at in self._offered.items() if now - at < OFFER_SECONDS}


def waiting() -> Waiting:
    """The running application's own."""
    found: Waiting | None = current_app.extensions.get(_EXTENSION)
    if found is None:
        found = current_app.extensions.setdefault(_EXTENSION, Waiting(deps()))
    return found


def _read(sessions: Callable[[], Session], waiters: Iterable[Waiter]) -> Mapping[Waiter, tuple[UUID, ...]]:
    """What waits for each, longest first; one that takes no more work is left out."""
    wanted = list(waiters)
    with sessions() as session:
        rows = session.execute(
            select(Executor.id, Executor.pools).where(
                Executor.id.in_({waiter.executor_id for waiter in wanted}), ~Executor.draining
            )
        )
        served = {row.id: set(row.pools) for row in rows}
        pools = {
            waiter: served[waiter.executor_id] & set(waiter.pools or served[waiter.executor_id])
            for waiter in wanted
            if waiter.executor_id in served
        }
        runs = session.execute(
            select(JobRun.id, JobRun.pool, can_be_run_by(knows_slices=False).label("for_all"))
            .where(
                JobRun.state == RunState.PENDING,
                JobRun.pool.in_(set().union(*pools.values())),
                is_available(),
                pool_is_open(),
            )
            .order_by(JobRun.id)
            .limit(MOST_RUNS)
        ).all()
    return {
        waiter: tuple(run.id for run in runs if run.pool in own and (run.for_all or waiter.knows_slices))
        for waiter, own in pools.items()
    }
