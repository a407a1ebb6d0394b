"""What an executor brings of a playbook, whatever becomes of it on the way."""

import base64
import json
import time
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus as Http
from itertools import pairwise
from statistics import median
from typing import Any

from drover_cli.conformance.kit import BrokenRuleError, require
from drover_cli.conformance.played.rules_work import finish_of, plain
from drover_cli.conformance.played.runs import Call, Page, PlayedRun, Problem, Treatment, Trick
from drover_cli.conformance.played.stage import BEAT_SECONDS, LEASE_SECONDS, Stage
from drover_cli.conformance.registry import executor_rule

_FIELDS = {
    "seq", "timestamp", "event_type", "host", "task_name", "play_name", "stdout_snippet", "data",
}  # fmt: skip
_QUIET_SECONDS = 1.0  # calls that cross the last answer
TROUBLE: dict[str, list[Treatment]] = {
    "job-runs/events": [Problem(503), Trick.DROPPED, Trick.UNHEARD, Page(502)],
    "job-runs/log-chunks": [Problem(503), Trick.UNHEARD],
    "job-runs/finish": [Page(502), Problem(500), Trick.UNHEARD],
}


def troubled(stage: Stage) -> PlayedRun:
    """A run whose output and end meet one trouble after the other; its log is lost until it tells its end."""
    run = stage.make("quick")
    left = {what: list(all_of_it) for what, all_of_it in TROUBLE.items()}

    def treat(call: Call) -> Treatment | None:
        if call.what == "job-runs/log-chunks" and run.finish is None:
            return Trick.DROPPED
        ahead = left.get(call.what)
        return ahead.pop(0) if ahead else None

    run.treat = treat
    stage.api.add(run)
    with suppress(BrokenRuleError):  # the rules say what did not come
        stage.wait("all output is stored in the end", lambda: stage.is_over(run))
    time.sleep(2 * BEAT_SECONDS)  # whether it says any more of the run
    return run


@executor_rule("P1")
def events_are_numbered(stage: Stage) -> None:
    """Events are numbered from 1 without a hole, with all fields, and never change"""
    for run in (stage.play(plain).run, stage.play(troubled)):
        require(run.events, "no events came")
        last = finish_of(run).get("last_seq")
        require(sorted(run.events) == list(range(1, len(run.events) + 1)), "there are holes")
        require(last == len(run.events), f"finish tells of {last} events, {len(run.events)} came")
        seen: dict[int, str] = {}
        for event in _events(stage.api.of_run(run, "events")):
            require(
                event.keys() >= _FIELDS, f"event {event.get('seq')} lacks {sorted(_FIELDS - event.keys())}"
            )
            text = json.dumps(event, sort_keys=True)
            require(seen.setdefault(event["seq"], text) == text, f"event {event['seq']} came in two forms")


@executor_rule("P2")
def chunks_join(stage: Stage) -> None:
    """Log chunks are numbered from 0, join without a hole, never change, and are what `finish` tells of"""
    for run in (stage.play(plain).run, stage.play(troubled)):
        require(run.chunks, "no log came")
        seen: dict[int, tuple[int, bytes]] = {}
        for call in stage.api.of_run(run, "log-chunks"):
            chunk = (call.body["offset"], base64.b64decode(call.body["body"]))
            require(seen.setdefault(call.body["seq"], chunk) == chunk, f"chunk {call.body['seq']} changed")
        require(sorted(seen) == list(range(len(seen))), f"chunks {sorted(seen)} came")
        end = 0
        for seq in range(len(seen)):
            require(
                seen[seq][0] == end, f"chunk {seq} begins at {seen[seq][0]}, the one before ends at {end}"
            )
            end += len(seen[seq][1])
        told = finish_of(run)
        require(told.get("log_chunks") == len(seen), f"finish tells of {told.get('log_chunks')} chunks")
        require(told.get("log_bytes") == end, f"finish tells of {told.get('log_bytes')} bytes, {end} came")


@executor_rule("P3")
def what_was_refused_comes_again(stage: Stage) -> None:
    """Output that met a 5xx, or an answer that is not the API's, is sent again"""
    run = stage.play(troubled)
    require(stage.api.of_run(run, "events"), "no events came")
    for what, seqs in (("events", _event_seqs), ("log-chunks", _chunk_seqs)):
        calls = stage.api.of_run(run, what)
        for number, call in enumerate(calls):
            if isinstance(call.treatment, (Page, Problem)):
                later = {seq for again in calls[number + 1 :] for seq in seqs(again)}
                lost = sorted(seqs(call) - later)
                require(not lost, f"{what} {lost} met a {call.status} and did not come again")


@executor_rule("P4")
def what_was_lost_comes_again(stage: Stage) -> None:
    """Output that was taken and lost is sent again once a heartbeat or `finish` names it as missing"""
    run = stage.play(troubled)
    dropped = [call for call in stage.api.of_run(run) if call.treatment is Trick.DROPPED]
    require({call.what for call in dropped} == {"job-runs/events", "job-runs/log-chunks"}, "nothing was lost")
    for call in dropped:
        stored = set(run.events) if call.what == "job-runs/events" else set(run.chunks)
        seqs = _event_seqs(call) if call.what == "job-runs/events" else _chunk_seqs(call)
        require(seqs <= stored, f"{call.what} {sorted(seqs - stored)} never came again")


@executor_rule("P5")
def it_stays_until_all_is_stored(stage: Stage) -> None:
    """A `finish` without an answer, or with 202, is repeated with the same outcome until it is 200"""
    run = stage.play(troubled)
    calls = stage.api.of_run(run, "finish")
    require(any(call.status == Http.ACCEPTED for call in calls), "no finish met a 202")
    told = {
        json.dumps([call.body.get(name) for name in ("state", "exit_code", "error_reason")]) for call in calls
    }
    require(len(told) == 1, f"it told {len(told)} outcomes: {sorted(told)}")
    require(calls[-1].status == Http.OK, "the last finish was not answered with 200")


@executor_rule("P6")
def it_is_silent_afterwards(stage: Stage) -> None:
    """After 200 to `finish` nothing more is said of the run"""
    run = stage.play(troubled)
    require(stage.is_over(run), "no finish was answered with 200")
    over = next(call.at for call in stage.api.of_run(run, "finish") if call.status == Http.OK)
    more = [call.what for call in stage.api.of_run(run) if call.at > over + _QUIET_SECONDS]
    require(not more, f"afterwards came {more}")


@executor_rule("P7")
def heartbeats_come_in_time(stage: Stage) -> None:
    """Heartbeats come from the claim to the first answered `finish`, at the interval that the claim told"""
    run = stage.play(troubled)
    calls = stage.api.of_run(run)
    require(run.finish, "no run came to its end")
    claimed = max(call.at for call in calls if call.what == "job-runs/claim")
    ended = min(call.at for call in calls if call.what == "job-runs/finish" and call.status == Http.ACCEPTED)
    beats = [call.at for call in calls if call.what == "job-runs/heartbeat" and call.at <= ended]
    gaps = [later - earlier for earlier, later in pairwise([claimed, *beats, ended])]
    # One may be late on a busy machine; the lease is what none may come too late for.
    usual, longest = median(gaps), max(gaps)
    require(usual <= 1.5 * BEAT_SECONDS, f"there were {usual:.1f} s between two, not {BEAT_SECONDS} s")
    require(longest <= LEASE_SECONDS / 2, f"there were {longest:.1f} s between two")
    most = 2 * (ended - claimed) / BEAT_SECONDS + 3
    require(len(beats) <= most, f"{len(beats)} came in {ended - claimed:.1f} s")


@executor_rule("P8")
def it_tells_the_truth(stage: Stage) -> None:
    """A playbook that failed is `failed` with its exit status, one that ended well `successful` with 0"""
    well = finish_of(stage.play(plain).run)
    require((well["state"], well["exit_code"]) == ("successful", 0), f"a good one ended as {well}")
    run = stage.offer("fails")
    stage.wait("the run of a playbook that fails is over", lambda: stage.is_over(run))
    bad = finish_of(run)
    require(bad["state"] == "failed" and bad["exit_code"] not in (0, None), f"a bad one ended as {bad}")
    require(bad["error_reason"] in (None, "playbook_failed"), f"its reason is {bad['error_reason']}")


def _events(calls: Iterable[Call]) -> Iterable[dict[str, Any]]:
    for call in calls:
        yield from call.body.get("events", [])


def _event_seqs(call: Call) -> set[int]:
    return {event["seq"] for event in _events([call])}


def _chunk_seqs(call: Call) -> set[int]:
    return {call.body["seq"]}
