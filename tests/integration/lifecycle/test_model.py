"""Jobs and runs as a state machine against PostgreSQL: two schedulers, two executors, whatever goes wrong.

Messages are lost, doubled and late; executors fall silent, come back as zombies with old tokens, lose their
playbooks, let them run too long or never start them; playbooks fail and are tried again by their template's
policy; users cancel, at any moment.
After every step the database must tell one consistent story, and from anywhere every job comes to an end.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import redis
from drover_api.access.principal import Principal
from drover_api.internal.attempts import LeaseTerms, claim
from drover_api.internal.lifecycle import Ending, finish, heartbeat, start
from drover_api.jobs.cancel import cancel
from drover_scheduler.line import SPARE
from drover_scheduler.scheduler import Tick, schedule_jobs
from drover_shared.clock import FakeClock
from drover_shared.db.models import Executor, JobRun, User
from drover_shared.domain.errors import ConflictError, DomainError, GoneError
from drover_shared.domain.states import FINAL_JOB_STATUSES, FINAL_RUN_STATES, RunState
from drover_shared.ids import new_run_id
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session, sessionmaker
from support.job_rows import add_executor, add_job
from support.scheduling import make_tick
from support.story import NEVER as STORY

TERMS = LeaseTerms(lease_seconds=30, heartbeat_interval_seconds=5)
ROOT = Principal(user_id=1, username="admin", is_superuser=True, is_system_auditor=False)
SERIAL_TEMPLATE = 7
EXAMPLES = 9
WHO = st.sampled_from((0, 1))
ANY = st.integers(0, 1000)  # picks one of what there is, modulo its count
POLICIES: tuple[dict[str, Any], ...] = (
    {},
    {"retry_on": []},
    {"retry_on": ["lost", "failed"], "retry_wait_seconds": 0},
    {"retry_on": ["failed", "timeout", "error"], "retry_hosts": "failed"},
    {"retry_on": ["lost", "failed", "timeout"], "retry_hosts": "failed_and_unstarted", "timeout_seconds": 60},
    {"retry_on": ["lost", "timeout", "error"], "timeout_seconds": 60, "retry_wait_seconds": 0},
)
REASONS = st.sampled_from((None, "playbook_failed", "executor_lost", "timeout", "project_unreachable"))
# Of a first attempt alone: a later one would have begun before the one before it ended.
TOO_LONG = """UPDATE job_runs SET created_at = created_at - interval '2 hours',
    claimed_at = claimed_at - interval '2 hours', started_at = started_at - interval '2 hours'
    WHERE id = :id AND attempt_number = 1 AND finished_at IS NULL"""
WAITED = "UPDATE job_runs SET available_at = NULL WHERE state = 'pending'"
OVER = "UPDATE job_runs SET lease_expires_at = now() - interval '1 minute' WHERE finished_at IS NOT NULL"
EXPIRED = "UPDATE job_runs SET lease_expires_at = now() - interval '1 minute' WHERE id = :id"

NEVER = STORY | {
    "an attempt taken while the one before it may be at work": """
        SELECT later.id FROM job_runs later JOIN job_runs earlier ON earlier.job_id = later.job_id
            AND earlier.attempt_number = later.attempt_number - 1
        WHERE later.state = 'starting' AND earlier.final_event_seq IS NULL
            AND earlier.lease_expires_at > now()""",
    "an attempt taken before it is known which hosts it is for": """
        SELECT id FROM job_runs WHERE claimed_at IS NOT NULL AND awaits_hosts""",
    "two jobs at work of a template that runs one": """
        SELECT count(*) FROM jobs WHERE job_template_id = :serial AND status IN ('queued', 'running')
        HAVING count(*) > 1""",
    "more first attempts waiting than executors may soon take": """
        SELECT count(*) FROM job_runs WHERE state = 'pending' AND attempt_number = 1
        HAVING count(*) > :spare + (SELECT sum(slots) FROM executors)""",
}

KNOWN = {"serial": SERIAL_TEMPLATE, "spare": SPARE}


class NoBell:
    """Every message to the executors is lost; they look for themselves."""

    def run_waits(self, _run_id: UUID, _pool: str) -> bool:
        return False


class Lifecycle(RuleBasedStateMachine):
    """`engine` and `client` are set by the test; the machine empties the tables when it ends."""

    engine: Engine
    client: "redis.Redis"

    def __init__(self) -> None:
        super().__init__()
        self.sessions = sessionmaker(self.engine, expire_on_commit=False)
        self.ticks = [self._tick() for _ in range(2)]
        self.jobs: list[int] = []
        self.tokens: list[tuple[UUID, str]] = []  # every run token ever given, the dead ones too
        self.valid: dict[UUID, str] = {}
        self.ends: dict[Any, str] = {}
        with self.sessions.begin() as db:
            db.merge(User(id=ROOT.user_id, username=ROOT.username))
            self.executors = [add_executor(db, f"e{n}", f"drexec_{n}").id for n in range(2)]

    def _tick(self) -> Tick:
        return make_tick(self.engine, self.client, NoBell(), FakeClock(datetime.now(UTC)))

    def teardown(self) -> None:
        try:
            self.everything_ends()
        finally:
            with self.engine.begin() as connection:
                connection.execute(text("TRUNCATE jobs, job_runs, executors, inventory_snapshots CASCADE"))

    # What may happen

    @rule(
        jobs=st.lists(
            st.tuples(st.booleans(), WHO, st.integers(1, 3), WHO, st.sampled_from(POLICIES)),
            min_size=1,
            max_size=4,
        )
    )
    def launch(self, jobs: list[tuple[bool, int, int, int, dict[str, Any]]]) -> None:
        with self.sessions.begin() as db:
            for serial, organization, attempts, priority, policy in jobs:
                job = add_job(
                    db,
                    job_template_id=SERIAL_TEMPLATE if serial else None,
                    organization_id=organization + 1,
                    max_attempts=attempts,
                    priority=priority,
                    **policy,
                )
                self.jobs.append(job.id)

    @precondition(lambda self: self.jobs)
    @rule(which=ANY)
    def message(self, which: int) -> None:
        """A message about any job, at any time, any number of times."""
        schedule_jobs(self.engine, NoBell(), new_run_id, [self.jobs[which % len(self.jobs)]], "message")

    @rule(scheduler=WHO)
    def tick(self, scheduler: int) -> None:
        self.ticks[scheduler].run()

    @precondition(lambda self: self.jobs)
    @rule(executor=WHO, which=ANY)
    def claim(self, executor: int, which: int) -> None:
        runs = self.runs()
        if runs:
            self.try_claim(executor, runs[which % len(runs)])

    @precondition(lambda self: self.tokens)
    @rule(which=ANY)
    def start(self, which: int) -> None:
        run_id, token = self.tokens[which % len(self.tokens)]
        self.with_token(run_id, token, lambda db: start(db, run_id, token, None, TERMS))

    @precondition(lambda self: self.tokens)
    @rule(which=ANY)
    def heartbeat(self, which: int) -> None:
        run_id, token = self.tokens[which % len(self.tokens)]
        self.with_token(run_id, token, lambda db: heartbeat(db, run_id, token, 0, -1, TERMS))

    @precondition(lambda self: self.tokens)
    @rule(
        which=ANY,
        state=st.sampled_from((RunState.SUCCESSFUL, RunState.FAILED, RunState.CANCELED)),
        reason=REASONS,
    )
    def finish(self, which: int, state: RunState, reason: str | None) -> None:
        run_id, token = self.tokens[which % len(self.tokens)]
        end = ending(state, reason if state is RunState.FAILED else None)
        self.with_token(run_id, token, lambda db: finish(db, run_id, token, end))

    @precondition(lambda self: self.jobs)
    @rule(which=ANY)
    def cancel(self, which: int) -> None:
        with Flask("activity").app_context(), self.sessions() as db:
            try:
                cancel(db, ROOT, self.jobs[which % len(self.jobs)])
                db.commit()
            except ConflictError:
                db.rollback()

    @precondition(lambda self: self.tokens)
    @rule(which=ANY)
    def fall_silent(self, which: int) -> None:
        """A lease and its grace run out."""
        with self.engine.begin() as connection:
            connection.execute(text(EXPIRED), {"id": self.tokens[which % len(self.tokens)][0]})

    @precondition(lambda self: self.tokens)
    @rule(which=ANY)
    def take_too_long(self, which: int) -> None:
        """To get started, or to run: longer than the job may, and its grace."""
        with self.engine.begin() as connection:
            connection.execute(text(TOO_LONG), {"id": self.tokens[which % len(self.tokens)][0]})

    @rule()
    def wait(self) -> None:
        """Whatever waits for its next attempt has waited; somebody may have asked for that, too."""
        with self.engine.begin() as connection:
            connection.execute(text(WAITED))

    @rule()
    def leases_of_the_ended_run_out(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(OVER))

    # What must hold

    @invariant()
    def one_story(self) -> None:
        with self.engine.connect() as connection:
            for what, query in NEVER.items():
                found = connection.execute(text(query), KNOWN).all()
                assert not found, f"{what}: {found}"

    @invariant()
    def an_end_is_an_end(self) -> None:
        with self.engine.connect() as connection:
            jobs = connection.execute(text("SELECT id, status FROM jobs")).all()
            runs = connection.execute(text("SELECT id, state FROM job_runs")).all()
        for key, state in [*jobs, *runs]:
            assert self.ends.get(key, state) == state, f"{key} was {self.ends[key]}, is {state}"
            if state in FINAL_JOB_STATUSES | FINAL_RUN_STATES:
                self.ends[key] = state

    # Parts

    def runs(self) -> list[UUID]:
        with self.sessions() as db:
            return list(db.scalars(select(JobRun.id).order_by(JobRun.id)))

    def try_claim(self, executor: int, run_id: UUID) -> None:
        with self.sessions() as db:
            known = db.get_one(Executor, self.executors[executor])
            try:
                won = claim(db, run_id, known, TERMS)
            except (ConflictError, GoneError):
                return
            db.commit()
        self.tokens.append((run_id, won.run_token))
        self.valid[run_id] = won.run_token

    def with_token(self, run_id: UUID, token: str, act: Callable[[Session], object]) -> None:
        """A call that succeeds had the attempt's newest token, and the attempt was not given up."""
        with self.sessions() as db:
            try:
                act(db)
                db.commit()
            except DomainError:
                db.rollback()
                return
        assert self.valid[run_id] == token, "a dead token was taken"
        assert self.ends.get(run_id) != "lost", "a lost attempt was taken for a live one"

    def everything_ends(self) -> None:
        """With two executors that do their work, every job comes to its end."""
        for _ in range(3 * len(self.jobs) + 10):
            self.ticks[0].run()
            live = self.live_runs()
            if not live and not self.count("SELECT count(*) FROM jobs WHERE finished_at IS NULL"):
                return
            for run_id, state in live:
                if state == "pending":
                    self.try_claim(0, run_id)
                self.work_on(run_id)
        raise AssertionError("jobs are left that do not end")

    def work_on(self, run_id: UUID) -> None:
        token = self.valid.get(run_id)
        if token is not None:
            self.with_token(run_id, token, lambda db: start(db, run_id, token, None, TERMS))
            self.with_token(run_id, token, lambda db: finish(db, run_id, token, ending(RunState.FAILED)))

    def live_runs(self) -> list[tuple[UUID, str]]:
        with self.engine.begin() as connection:
            connection.execute(text(WAITED))
            connection.execute(text(OVER))
            found = connection.execute(
                text("SELECT id, state FROM job_runs WHERE state IN ('pending', 'starting', 'running')")
            )
            return [(row.id, row.state) for row in found]

    def count(self, query: str) -> int:
        with self.engine.connect() as connection:
            return int(connection.scalar(text(query)) or 0)


def ending(state: RunState, reason: str | None = None) -> Ending:
    return Ending(state, 0, reason, None, 0, 0, 0, "0" * 64)


def test_every_interleaving_tells_one_story(engine: Engine, redis_client: "redis.Redis") -> None:
    machine = type("Machine", (Lifecycle,), {"engine": engine, "client": redis_client})
    bounded = settings(
        max_examples=EXAMPLES,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=bounded)
