"""Whose turn it is: fair between organizations, by priority, within limits, and never too many at once."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from drover_scheduler.attempts import fill_pool
from drover_scheduler.line import SPARE, next_in_line, waiting_pools
from drover_shared.ids import new_run_id
from sqlalchemy import Engine, text
from support.runs import add_executor, add_job


def change(engine: Engine, sql: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(text(sql), values)


def waiting(engine: Engine, count: int, **values: Any) -> list[int]:
    with engine.begin() as connection:
        return [add_job(connection, **values) for _ in range(count)]


def fill(engine: Engine, pool: str = "default") -> list[int]:
    """The jobs that got an attempt, in their order."""
    with engine.begin() as connection:
        return [run.job_id for run in fill_pool(connection, pool, new_run_id)]


def claim_all(engine: Engine) -> None:
    change(engine, "UPDATE job_runs SET state = 'starting' WHERE state = 'pending'")


def end(engine: Engine, job_id: int) -> None:
    change(engine, "UPDATE job_runs SET state = 'failed' WHERE job_id = :id", id=job_id)
    change(engine, "UPDATE jobs SET status = 'failed' WHERE id = :id", id=job_id)


def test_no_more_attempts_wait_than_executors_may_soon_take(engine: Engine) -> None:
    jobs = waiting(engine, 40)
    assert fill(engine) == jobs[:SPARE]
    assert fill(engine) == []
    add_executor(engine, slots=3)
    assert fill(engine) == jobs[SPARE : SPARE + 3]
    change(engine, "UPDATE executors SET last_seen_at = now() - interval '1 minute'")
    claim_all(engine)
    assert len(fill(engine)) == SPARE


def test_an_organization_with_a_long_line_does_not_hold_up_another(engine: Engine) -> None:
    crowd = waiting(engine, 60, organization_id=1, priority=100)
    assert fill(engine) == crowd[:SPARE]
    claim_all(engine)
    few = waiting(engine, 3, organization_id=2)
    made = fill(engine)
    assert made[:3] == few  # it has less at work
    claim_all(engine)
    more = waiting(engine, 60, organization_id=2)
    for _ in range(4):  # from here on the two take turns, whatever the priorities
        made = fill(engine)
        claim_all(engine)
    assert set(made) & set(crowd)
    assert set(made) & set(more)


def test_priority_and_age_decide_within_an_organization(engine: Engine) -> None:
    [low] = waiting(engine, 1)
    [high] = waiting(engine, 1, priority=5, job_template_id=3)
    [next_low] = waiting(engine, 1, job_template_id=4)
    assert fill(engine) == [high, low, next_low]


def test_pools_do_not_hold_up_each_other(engine: Engine) -> None:
    waiting(engine, 30)
    edge = waiting(engine, 1, executor_pool="edge")
    with engine.connect() as connection:
        assert waiting_pools(connection) == ["default", "edge"]
    assert len(fill(engine)) == SPARE
    assert fill(engine, "edge") == edge


def test_a_long_line_of_one_template_hides_nobody(engine: Engine) -> None:
    first = waiting(engine, 200, job_template_id=1)[0]
    [late] = waiting(engine, 1, job_template_id=2)
    [free] = waiting(engine, 1)
    assert fill(engine) == [first, late, free]


@pytest.mark.parametrize("pools", [("default",), ("default", "edge")])
def test_a_template_lets_as_many_run_as_it_says(engine: Engine, pools: tuple[str, ...]) -> None:
    change(engine, "INSERT INTO organizations (id, name) VALUES (1, 'ops')")
    change(engine, "INSERT INTO projects (id, name, organization_id) VALUES (1, 'site', 1)")
    change(
        engine,
        "INSERT INTO job_templates (id, name, organization_id, project_id, playbook, extra_vars, tags, "
        "skip_tags, ask, max_simultaneous) VALUES (7, 't', 1, 1, 'site.yml', '{}', '{}', '{}', '{}', 3)",
    )
    for pool in pools:
        waiting(engine, 5, job_template_id=7, allow_simultaneous=True, executor_pool=pool, inventory_id=4)
        waiting(engine, 5, job_template_id=7, allow_simultaneous=True, executor_pool=pool, inventory_id=5)
    made = [job_id for pool in pools for job_id in fill(engine, pool)]
    assert len(made) == 3  # over two inventories, and over two pools
    end(engine, made[0])
    assert len(fill(engine)) == 1


def test_an_inventory_lets_as_many_jobs_at_it_as_it_says(engine: Engine) -> None:
    change(engine, "INSERT INTO organizations (id, name) VALUES (1, 'ops')")
    change(
        engine,
        "INSERT INTO inventories "
        "(id, name, organization_id, variables, input_inventory_ids, max_simultaneous) "
        "VALUES (9, 'i', 1, '{}', '{}', 2)",
    )
    limited = waiting(engine, 10, inventory_id=9)
    [other] = waiting(engine, 1, inventory_id=8)
    made = fill(engine)
    assert made == [*limited[:2], other]
    end(engine, made[0])
    assert fill(engine) == [limited[2]]


def test_a_job_that_somebody_cancels_is_left_alone(engine: Engine) -> None:
    [canceled, held, free] = waiting(engine, 3)
    change(engine, "UPDATE jobs SET cancel_requested = true WHERE id = :id", id=canceled)
    with engine.begin() as other:
        other.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": held})
        assert fill(engine) == [free]
    assert fill(engine) == [held]


@pytest.mark.parametrize("seed", range(3))
def test_the_next_of_many_lanes_are_those_of_one_plain_sort(engine: Engine, seed: int) -> None:
    rng = random.Random(seed)
    with engine.begin() as connection:
        for _ in range(150):
            add_job(
                connection,
                organization_id=rng.randint(1, 5),
                job_template_id=rng.choice([None, *range(1, 9)]),
                inventory_id=rng.randint(1, 3),
                allow_simultaneous=rng.random() < 0.7,
                priority=rng.randint(0, 3),
                status=rng.choices(["pending", "running"], [9, 1])[0],
            )
        rows = connection.execute(text("SELECT * FROM jobs ORDER BY priority DESC, id"))
        jobs = [dict(row) for row in rows.mappings()]
        for at_once in (1, 4, 25):
            found = [one.job_id for one in next_in_line(connection, "default", at_once)]
            assert found == in_plain_order(jobs)[:at_once]


def in_plain_order(jobs: Sequence[Mapping[str, Any]]) -> list[int]:
    """`jobs` come by priority and age. Of a template whose jobs wait for each other, none or one a lane."""
    at_work = [job for job in jobs if job["status"] == "running"]
    busy = {job["job_template_id"] for job in at_work} - {None}
    turns = Counter(job["organization_id"] for job in at_work)
    lanes: set[tuple[Any, ...]] = set()
    found = []
    for job in jobs:
        template, alone = job["job_template_id"], not job["allow_simultaneous"]
        lane = (job["organization_id"], template, job["inventory_id"])
        if job["status"] == "running" or (alone and template and (template in busy or lane in lanes)):
            continue
        if alone and template:
            lanes.add(lane)
        turns[job["organization_id"]] += 1
        found.append((turns[job["organization_id"]], -job["priority"], job["id"]))
    return [job_id for *_, job_id in sorted(found)]
