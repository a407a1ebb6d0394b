"""What a live attempt does: start, heartbeat, output, end, cancel, and its lease."""

import time
from http import HTTPStatus as Http
from uuid import UUID

from drover_cli.conformance.kit import Executor, Kit, Run, eventually, expect, moment, require
from drover_cli.conformance.registry import rule


@rule("S1")
def a_start_may_be_repeated(kit: Kit) -> None:
    """A start moves the run and its job to running; a repeat is 200"""
    run = kit.claimed_run()
    for _ in range(2):
        require(run.start() == {"state": "running", "cancel": "none"}, "another answer than running")
    require(kit.job(run.job_id)["status"] == "running", "the job does not run")
    expect(run.finish("successful"), Http.OK)


@rule("H1")
def a_heartbeat_renews_the_lease(kit: Kit) -> None:
    """A heartbeat moves the lease's end on"""
    run = kit.running_run()
    first = moment(run.beat()["lease_expires_at"])
    time.sleep(0.05)
    require(moment(run.beat()["lease_expires_at"]) > first, "the lease ends at the same time")
    expect(run.finish("successful"), Http.OK)


@rule("H2")
def a_heartbeat_names_what_is_missing(kit: Kit) -> None:
    """A heartbeat names exactly what is not stored, and how far all is"""
    run = kit.running_run()
    run.post_events(1, 3)
    run.post_events(6, 7)
    run.post_log(b"one\n")
    eventually("events 4 to 5 are what is missing", lambda: run.gaps() == ([[4, 5]], []))
    beat = run.beat()
    require(beat["committed_seq"] == 3, f"committed_seq is {beat['committed_seq']}")
    require(beat["committed_log_seq"] == 0, f"committed_log_seq is {beat['committed_log_seq']}")
    run.post_events(4, 5)
    run.stored()
    expect(run.finish("successful"), Http.OK)


@rule("O1")
def output_is_stored_once(kit: Kit) -> None:
    """Batches that come twice and out of order are stored once and read in order"""
    run = kit.running_run()
    for low, high in ((4, 6), (1, 3), (2, 5), (1, 6)):
        run.post_events(low, high)
    run.stored()
    expect(run.finish("successful"), Http.OK)
    told = kit.api.get(f"/job-runs/{run.id}/events", limit=200)["items"]
    seqs = [event["seq"] for event in told]
    require(seqs == [1, 2, 3, 4, 5, 6], f"stored are {seqs}")


@rule("O2")
def the_log_is_kept_byte_by_byte(kit: Kit) -> None:
    """Log chunks are read back byte by byte, whatever came twice"""
    run = kit.running_run()
    run.post_log("gr\u00fc\u00dfe\n".encode())
    run.post_log(b"\x1b[31mred\x1b[0m\n")
    expect(run.call("POST", "/log-chunks", run.chunk(0, 0, run.log[:8])), 202)
    run.stored()
    expect(run.finish("successful"), Http.OK)
    found = kit.api.log(str(run.id), 0, colour=True)
    require(found == run.log, f"read back as {found!r}")


@rule("O3")
def odd_text_is_cleaned(kit: Kit) -> None:
    """Text that no database holds (NUL) costs a character, not the event"""
    run = kit.running_run()
    run.post_events(1, 1, "a\x00b")
    run.stored()
    expect(run.finish("successful"), Http.OK)
    [event] = kit.api.get(f"/job-runs/{run.id}/events")["items"]
    require(event["stdout_snippet"] == "a\ufffdb", f"it became {event['stdout_snippet']!r}")


@rule("K1")
def facts_go_to_the_next_run(kit: Kit) -> None:
    """Facts go to the next run of the inventory that uses them, and can be cleared; to no other"""
    try:
        kit.set_policy(use_fact_cache=True)
        first = kit.running_run()
        kit.api.post(f"/inventories/{kit.job(first.job_id)['inventory_id']}/hosts", {"name": "web01"})
        facts = [{"host": name, "facts": {"a": 1}} for name in ("web01", "not-a-host")]
        for _ in range(2):
            expect(first.call("PUT", "/facts", {"hosts": facts}), Http.OK)
        expect(first.finish("successful"), Http.OK)
        expect(first.call("PUT", "/facts", {"hosts": facts}), Http.GONE)
        second = kit.running_run()
        told = expect(second.call("GET", "/facts"), Http.OK)
        require(told == {"items": facts[:1], "next": None}, f"given is {told}")
        expect(second.call("PUT", "/facts", {"hosts": [{"host": "web01", "facts": None}]}), Http.OK)
        require(expect(second.call("GET", "/facts"), Http.OK)["items"] == [], "what was cleared is there")
        expect(second.call("PUT", "/facts", {"hosts": facts}), Http.OK)
        expect(second.finish("successful"), Http.OK)
    finally:
        kit.set_policy(use_fact_cache=False)
    other = kit.running_run()
    require(expect(other.call("GET", "/facts"), Http.OK)["items"] == [], "a job that uses none gets facts")
    expect(other.finish("successful"), Http.OK)


@rule("F1")
def finish_waits_for_output(kit: Kit) -> None:
    """A finish ends the job at once, answers 202 with what is missing, and 200 when nothing is"""
    run = kit.running_run()
    run.events, run.log, run.chunks = 3, b"late\n", 1
    told = expect(run.finish("successful"), Http.ACCEPTED)
    require(told == {"complete": False, "missing": [[1, 3]], "missing_log": [[0, 0]]}, f"it says {told}")
    require(kit.job(run.job_id)["status"] == "successful", "the job has not ended")
    run.events, run.log, run.chunks = 0, b"", 0
    run.post_events(1, 3)
    run.post_log(b"late\n")
    eventually("finish says complete", lambda: run.finish("successful").status_code == Http.OK)
    job = kit.job(run.job_id)
    require(job["events_complete"] and job["log_complete"], "the job's output is not complete")


@rule("F2")
def the_first_finish_decides(kit: Kit) -> None:
    """A repeat is 200; another outcome afterwards is 409"""
    run = kit.running_run()
    for _ in range(2):
        expect(run.finish("failed", exit_code=2), Http.OK)
    expect(run.finish("successful"), Http.CONFLICT)
    require(kit.job(run.job_id)["status"] == "failed", "the job is not failed")


@rule("F3")
def only_what_started_succeeds(kit: Kit) -> None:
    """Success without a start is 409; an outcome that is not the executor's to tell is 422"""
    run = kit.claimed_run()
    expect(run.finish("successful"), Http.CONFLICT)
    expect(run.finish("lost"), 422)
    expect(run.finish("failed", error_reason="project_unreachable"), Http.OK)
    job = kit.job(run.job_id)
    told = (job["status"], job["error_reason"])
    require(told == ("error", "project_unreachable"), f"the job is {told}")


@rule("X1")
def a_cancel_comes_with_the_heartbeat(kit: Kit) -> None:
    """A cancel is in the next heartbeat's answer; the executor ends the run"""
    run = kit.running_run()
    for _ in range(2):
        kit.api.post(f"/jobs/{run.job_id}/cancel", {})
    require(run.beat()["cancel"] == "graceful", "the heartbeat does not tell of the cancel")
    expect(run.finish("canceled"), Http.OK)
    require(kit.job(run.job_id)["status"] == "canceled", "the job is not canceled")


@rule("X2")
def a_cancel_while_preparing_comes_with_the_start(kit: Kit) -> None:
    """A cancel before the start is in the start's answer"""
    run = kit.claimed_run()
    kit.api.post(f"/jobs/{run.job_id}/cancel", {})
    require(run.start()["cancel"] == "graceful", "the start does not tell of the cancel")
    expect(run.finish("canceled"), Http.OK)


@rule("X3")
def a_canceled_run_is_over(kit: Kit) -> None:
    """A run canceled before its claim: 410"""
    run_id, job_id = kit.waiting_run()
    kit.api.post(f"/jobs/{job_id}/cancel", {})
    expect(kit.claim(run_id, kit.one), Http.GONE)
    require(kit.job(job_id)["status"] == "canceled", "the job is not canceled")


@rule("X4")
def a_finish_that_races_a_cancel_is_honest(kit: Kit) -> None:
    """A playbook that ended well although a cancel was asked for ended well"""
    run = kit.running_run()
    kit.api.post(f"/jobs/{run.job_id}/cancel", {})
    expect(run.finish("successful"), Http.OK)
    require(kit.job(run.job_id)["status"] == "successful", "the job is not successful")


@rule("L1")
def a_lease_that_ends_is_the_end(kit: Kit) -> None:
    """Without heartbeats the attempt is lost, every call is 410, and another attempt is offered"""
    wait = kit.one.lease_seconds * 2 + 10
    run = kit.running_run()
    found = eventually("another attempt is offered", lambda: other_run(kit, kit.two, run), wait)
    for method, path, body in (
        ("PUT", "/heartbeat", {"last_seq": 0, "last_log_seq": -1}),
        ("POST", "/start", {}),
        ("POST", "/finish", run.ending("successful")),
    ):
        expect(run.call(method, path, body), Http.GONE)
    second = kit.take(found, run.job_id)
    require(expect(second.call("GET", "/manifest"), Http.OK)["attempt_number"] == 2, "not attempt 2")
    second.start()
    expect(second.finish("successful"), Http.OK)
    require(kit.job(run.job_id)["status"] == "successful", "the job is not successful")


def other_run(kit: Kit, executor: Executor, run: Run) -> UUID | None:
    found = kit.next(executor, 1.0)
    require(found != run.id, "a run that is claimed is offered")
    return found
