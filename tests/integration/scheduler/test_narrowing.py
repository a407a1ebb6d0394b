"""An attempt on the hosts that need it: it waits until each host's end in the one before is known."""

from typing import Any

import pytest
from drover_scheduler.narrowing import PATIENCE_SECONDS, narrow
from drover_scheduler.waiting import take_new
from drover_shared.db.models import JobHostSummary, JobRun, RunEventProgress
from drover_shared.ids import new_run_id
from sqlalchemy import Engine, insert, select, text
from support.runs import RunRow, add_job, add_run

HOSTS: dict[str, dict[str, int]] = {
    "good": {"ok": 3},
    "bad": {"ok": 1, "failed": 1},
    "away": {"unreachable": 1},
    "skipped": {"skipped": 2},
}


def failed_job(engine: Engine, received: str, *, final: bool = True, **job: Any) -> RunRow:
    """A job whose first attempt failed with ten events, of which these are stored; the second waits."""
    with engine.begin() as connection:
        values = {"status": "queued", "retry_on": ["failed"], "retry_hosts": "failed", **job}
        job_id = add_job(connection, **values)
        run = add_run(connection, job_id, state="failed", final_event_seq=10)
        second = new_run_id()
        connection.execute(
            insert(JobRun).values(id=second, job_id=job_id, attempt_number=2, awaits_hosts=True)
        )
        connection.execute(
            text("UPDATE jobs SET current_run_id = :run WHERE id = :job"), {"run": second, "job": job_id}
        )
        connection.execute(
            insert(RunEventProgress).values(
                job_run_id=run.id, job_id=job_id, received=text(f"'{received}'::int8multirange")
            )
        )
        for host, counts in HOSTS.items():
            connection.execute(
                insert(JobHostSummary).values(
                    job_run_id=run.id, job_id=job_id, host=host, final=final, **counts
                )
            )
    return run


def waiting(engine: Engine) -> tuple[str | None, bool]:
    with engine.connect() as connection:
        query = select(JobRun.limit, JobRun.awaits_hosts).where(JobRun.attempt_number == 2)
        limit, awaits_hosts = connection.execute(query).one()
        return limit, awaits_hosts


@pytest.mark.parametrize(
    ("job", "limit"),
    [
        ({}, "away,bad"),
        ({"limit": "web"}, "away,bad"),
        ({"retry_hosts": "failed_and_unstarted"}, "all,!good,!skipped"),
        ({"retry_hosts": "failed_and_unstarted", "limit": "web"}, "web,!good,!skipped"),
    ],
)
def test_the_limit_names_who_needs_it(engine: Engine, job: dict[str, Any], limit: str) -> None:
    run = failed_job(engine, "{[1,11)}", **job)
    assert narrow(engine, [run.job_id]) == 1
    assert waiting(engine) == (limit, False)
    assert narrow(engine) == 0
    with engine.begin() as connection:
        assert [one.job_id for one in take_new(connection, [run.job_id])] == [run.job_id]
        assert take_new(connection, [run.job_id]) == []


def test_it_waits_for_the_last_event(engine: Engine) -> None:
    run = failed_job(engine, "{[1,5),[6,11)}")
    assert narrow(engine) == 0
    with engine.begin() as connection:
        assert take_new(connection, [run.job_id]) == []
    assert waiting(engine) == (None, True)


def test_it_does_not_wait_for_ever(engine: Engine) -> None:
    failed_job(engine, "{[1,5)}")
    with engine.begin() as connection:
        late = text("UPDATE job_runs SET created_at = now() - make_interval(secs => :late)")
        connection.execute(late, {"late": PATIENCE_SECONDS + 1})
    assert narrow(engine) == 1
    assert waiting(engine) == (None, False)


def test_nobody_is_left_out_without_a_recap(engine: Engine) -> None:
    failed_job(engine, "{[1,11)}", final=False, retry_hosts="failed_and_unstarted", limit="web")
    narrow(engine)
    assert waiting(engine) == (None, False)


def test_all_run_again_where_no_host_failed(engine: Engine) -> None:
    failed_job(engine, "{[1,11)}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE job_host_summaries SET failed = 0, unreachable = 0"))
    narrow(engine)
    assert waiting(engine) == (None, False)
