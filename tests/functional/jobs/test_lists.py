"""Lists of jobs: their totals, their filters, and what they cost where there are many."""

from typing import Any

import pytest
from drover_api.access.allowed import visible
from drover_api.access.job_lists import seen_jobs
from drover_api.access.principal import Principal
from drover_api.deps import Deps
from drover_api.http.pages import MAX_LIMIT
from drover_api.jobs.queries import page
from drover_shared.db.job_counts import WORTH_IT, add_up
from drover_shared.db.models import Job, JobCount, JobHostSummary, User
from drover_shared.ids import new_run_id
from flask import Flask
from sqlalchemy import delete, func, select, text
from support.api import Api, token_for
from support.explain import rows_read
from support.job_rows import add_job
from support.launch_rows import World, grant, make_world

JOBS = 20_000
_MANY = text("""
    INSERT INTO jobs (name, organization_id, job_template_id, inventory_id, project_id, inventory_snapshot_id,
                      project, playbook, status)
    SELECT name, 1000 + n % 20, 1000 + n % 500, 1000 + n % 50, 1000 + n % 100, inventory_snapshot_id, project,
           playbook, CASE WHEN n % 1000 = 0 THEN 'error' ELSE 'successful' END
    FROM jobs, generate_series(1, :count) AS n WHERE id = :pattern
""")


@pytest.fixture
def worlds(api_deps: Deps) -> list[World]:
    """Two organizations; users with a role each, and one who launched a job and has none."""
    with api_deps.sessions.begin() as db:
        made = [make_world(db, name) for name in ("mine", "other")]
        names = ("owner", "executor", "launcher", "stranger", "syncer")
        db.add_all([User(username=name) for name in names])
        db.flush()
        grant(db, "owner", "admin", "organization", made[0].organization_id)
        grant(db, "executor", "execute", "job_template", made[0].template_id)
        grant(db, "syncer", "read", "project", made[1].project_id)
        launcher = db.scalars(select(User.id).where(User.username == "launcher")).one()
        for world, count in zip(made, (3, 2), strict=True):
            own = {"organization_id": world.organization_id, "job_template_id": world.template_id}
            for number in range(count):
                add_job(db, **own, launched_by_id=None if number else launcher)
            sync = {"kind": "project_sync", "project_id": world.project_id, "inventory_id": 0}
            add_job(db, organization_id=world.organization_id, **sync)
    return made


def totals(app: Flask, deps: Deps, query: str = "") -> dict[str, int]:
    found = {}
    for name in ("admin", "owner", "executor", "launcher", "stranger", "syncer"):
        answer = Api(app.test_client(), token_for(deps, name)).get(f"/jobs{query}").get_json()
        assert answer["total"] == len(answer["items"]), name
        found[name] = answer["total"]
    return found


def test_totals_are_exact_for_everybody(worlds: list[World], api_app: Flask, api_deps: Deps) -> None:
    del worlds
    expected = {"admin": 5, "owner": 3, "executor": 3, "launcher": 2, "stranger": 0, "syncer": 0}
    assert totals(api_app, api_deps) == expected
    syncs = {"admin": 2, "owner": 1, "executor": 0, "launcher": 0, "stranger": 0, "syncer": 1}
    assert totals(api_app, api_deps, "?kind=project_sync") == syncs
    with api_deps.sessions.begin() as db:
        db.execute(delete(Job).where(Job.launched_by_id.is_not(None)))
    assert totals(api_app, api_deps) == expected | {"admin": 3, "owner": 2, "executor": 2, "launcher": 0}


def test_adding_counts_up_changes_no_total(worlds: list[World], admin: Api, api_deps: Deps) -> None:
    with api_deps.sessions.begin() as db:
        pattern = add_job(db, organization_id=worlds[0].organization_id).id
        for _ in range(3):
            db.execute(_MANY, {"count": 2, "pattern": pattern})
        changes = [1, -1] * (WORTH_IT // 2)
        db.add_all([JobCount(organization_id=1, kind="playbook", jobs=one) for one in changes])
    before = admin.get("/jobs").get_json()["total"]
    with api_deps.engine.begin() as connection:
        upto = add_up(connection, 0)
        rows = connection.scalar(select(func.count()).select_from(JobCount))
        organizations = connection.scalar(select(func.count(Job.organization_id.distinct())))
        assert add_up(connection, upto) == upto
    assert admin.get("/jobs").get_json()["total"] == before
    assert rows is not None
    assert organizations is not None
    assert rows <= 2 * organizations


def test_a_list_reads_only_what_it_shows(worlds: list[World], api_deps: Deps) -> None:
    """By PostgreSQL's own account of what it read, whoever asks and whatever for."""
    with api_deps.sessions.begin() as db:
        pattern = add_job(db, organization_id=7777, job_template_id=7777).id
        db.execute(_MANY, {"count": JOBS, "pattern": pattern})
        run = new_run_id()
        db.add(JobHostSummary(job_run_id=run, host="rare.example.com", job_id=pattern))
        db.get_one(Job, pattern).current_run_id = run
    with api_deps.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE jobs"))
    superuser = Principal(1, "admin", is_superuser=True, is_system_auditor=False)
    asked: list[tuple[Principal, dict[str, Any]]] = [(superuser, {})]
    with api_deps.sessions() as db:
        for name in ("owner", "executor", "launcher", "stranger"):
            user_id = db.scalars(select(User.id).where(User.username == name)).one()
            asked.append((Principal(user_id, name, is_superuser=False, is_system_auditor=False), {}))
    asked += [
        (superuser, filters)
        for filters in (
            {"status": ["error"]},
            {"status": ["canceled"]},
            {"job_template_id": 1001},
            {"inventory_id": 1001},
            {"project_id": 1001},
            {"launched_by": 999},
            {"host": "rare.example.com"},
        )
    ]
    for principal, filters in asked:
        rows = read_by(api_deps, principal, filters)
        assert rows <= 5 * MAX_LIMIT, f"{principal.username} {filters}: {rows} rows"
    del worlds


def read_by(deps: Deps, principal: Principal, filters: dict[str, Any]) -> int:
    """How many rows of jobs the statements of one page read."""
    query = {"limit": 50, "offset": 0, "order_by": None, "kind": "playbook", **filters}
    with deps.sessions() as db:
        return rows_read(deps.engine, lambda: page(db, principal, query))["jobs"]


def test_seen_jobs_is_what_allowed_says(worlds: list[World], api_deps: Deps) -> None:
    del worlds
    with api_deps.sessions() as db:
        for user in db.scalars(select(User)):
            principal = Principal(user.id, user.username, user.is_superuser, user.is_system_auditor)
            ids = [
                set(db.scalars(select(Job.id).where(condition)))
                for condition in (visible(Job, principal), seen_jobs(db, principal).condition)
            ]
            assert ids[0] == ids[1], user.username
