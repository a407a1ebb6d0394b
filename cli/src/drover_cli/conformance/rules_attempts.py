"""What follows an attempt that did not end well."""

from http import HTTPStatus as Http
from uuid import UUID

from drover_cli.api import Json
from drover_cli.conformance.kit import Kit, Run, eventually, expect, require
from drover_cli.conformance.registry import rule


@rule("A1")
def what_an_executor_lost_is_tried_again(kit: Kit) -> None:
    """A finish with `executor_lost` is followed by another attempt at once, with the old one's output kept"""
    run = kit.running_run()
    run.events = 2
    run.finish("failed", error_reason="executor_lost")
    following = kit.take(next_of(kit, run), run.job_id)
    require(expect(following.call("GET", "/manifest"), Http.OK)["attempt_number"] == 2, "not attempt 2")
    run.post_events(1, 2)
    eventually("the first attempt's output is complete", lambda: is_complete(run, "failed", "executor_lost"))
    following.start()
    expect(following.finish("successful"), Http.OK)
    require(kit.job(run.job_id)["status"] == "successful", "the job is not successful")


@rule("A2")
def a_cancel_ends_what_was_lost(kit: Kit) -> None:
    """A finish with `executor_lost` of a job whose cancel was asked for: it is canceled"""
    run = kit.running_run()
    kit.api.post(f"/jobs/{run.job_id}/cancel", {})
    expect(run.finish("failed", error_reason="executor_lost"), Http.OK)
    require(kit.job(run.job_id)["status"] == "canceled", "the job is not canceled")


@rule("A3")
def attempts_have_an_end(kit: Kit) -> None:
    """The last attempt's end is the job's; a playbook that failed is not tried again unless asked for"""
    kit.set_policy(max_attempts=1)
    run = kit.running_run()
    expect(run.finish("failed", error_reason="executor_lost"), Http.OK)
    require(kit.job(run.job_id)["status"] == "error", "the job is not in error")
    kit.set_policy(max_attempts=5)
    run = kit.running_run()
    expect(run.finish("failed", error_reason="playbook_failed"), Http.OK)
    require(kit.job(run.job_id)["status"] == "failed", "the job has not failed")


@rule("A4")
def hosts_are_known_before_they_are_tried_again(kit: Kit) -> None:
    """An attempt on fewer hosts is offered once the output of the one before is stored; `limit` names them"""
    kit.set_policy(retry_on=["failed"], retry_hosts="failed_and_unstarted")
    run = kit.running_run()
    run.events = 3
    answer = run.finish("failed", error_reason="playbook_failed")
    require(answer.status_code == Http.ACCEPTED, f"a finish without output is {answer.status_code}")
    require(kit.next(kit.one, 1.0) is None, "it is offered before the results are stored")
    run.send([run.event(1), recap(run), run.event(3)])
    following = kit.take(next_of(kit, run), run.job_id)
    limit = expect(following.call("GET", "/manifest"), Http.OK)["limit"]
    require(limit == "all,!good", f"its limit is {limit!r}")
    following.start()
    expect(following.finish("successful"), Http.OK)
    kit.set_policy()


def recap(run: Run) -> Json:
    return run.event(2) | {"event_type": "STATS", "data": {"ok": {"good": 2}, "failed": {"bad": 1}}}


def next_of(kit: Kit, run: Run) -> UUID:
    found = eventually("another attempt is offered", lambda: kit.next(kit.one, 2.0))
    require(found != run.id, "an attempt that is over is offered")
    require(kit.job(run.job_id)["current_run_id"] == str(found), "the job's current run is another one")
    return found


def is_complete(run: Run, state: str, reason: str) -> bool:
    return run.finish(state, error_reason=reason).status_code == Http.OK
