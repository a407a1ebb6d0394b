"""When an executor must stop a playbook, and when it must not."""

from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus as Http
from itertools import count

from drover_cli.conformance.kit import BrokenRuleError, require
from drover_cli.conformance.played.rules_work import finish_of
from drover_cli.conformance.played.runs import Call, Page, PlayedRun, Problem, Treatment, Trick
from drover_cli.conformance.played.stage import BEAT_SECONDS, LEASE_SECONDS, Stage
from drover_cli.conformance.registry import executor_rule

OBEY_SECONDS = 5.0  # from the answer that asks for an end to the last process's
TIMEOUT_SECONDS = 2
_TIMEOUT_GRACE_SECONDS = 15.0
NOISE_SECONDS = LEASE_SECONDS / 2
NOISE: list[Treatment] = [Page(410), Page(409), Page(401), Page(502), Problem(500)]
PAST = "2000-01-01T00:00:00Z"


def canceled(stage: Stage) -> Mapping[str, PlayedRun]:
    """One run asked to end gently, one at once, one before it begins."""
    runs = {"graceful": stage.offer("works"), "kill": stage.offer("stubborn")}
    for run in runs.values():
        stage.await_work(run)
    for how, run in runs.items():
        run.cancel = how
    runs["start"] = stage.offer("works", cancel="graceful")
    for how, run in runs.items():
        stage.wait(f"the run with cancel {how} is over", lambda run=run: stage.is_over(run))  # type: ignore[misc]
    return runs


@executor_rule("K1")
def a_gentle_cancel(stage: Stage) -> None:
    """`cancel: graceful` in a heartbeat's answer interrupts Ansible; the run is told as `canceled`"""
    _is_canceled(stage, stage.play(canceled)["graceful"])


@executor_rule("K2")
def a_kill(stage: Stage) -> None:
    """`cancel: kill` ends every process of the run, whatever it ignores and wherever it went"""
    _is_canceled(stage, stage.play(canceled)["kill"])


@executor_rule("K3")
def a_cancel_at_the_start(stage: Stage) -> None:
    """`cancel` in the answer to the start: nothing is played"""
    run = stage.play(canceled)["start"]
    require(finish_of(run)["state"] == "canceled", f"it told {finish_of(run)['state']}")
    require(not stage.beat(run).exists(), "the playbook was played")


def _is_canceled(stage: Stage, run: PlayedRun) -> None:
    told = finish_of(run)
    require(told["state"] == "canceled", f"it told {told['state']}, {told['error_reason']}")
    ended = next(call for call in stage.api.of_run(run, "finish") if call.status)
    beats = [call for call in stage.api.of_run(run, "heartbeat") if call.wall <= ended.wall]
    late = stage.death(run, OBEY_SECONDS) - beats[-1].wall
    require(late <= OBEY_SECONDS, f"a process lived for {late:.1f} s after the last heartbeat's answer")
    waited = ended.wall - beats[-1].wall
    require(
        waited <= OBEY_SECONDS + BEAT_SECONDS, f"the end was told {waited:.1f} s after the last heartbeat"
    )


@executor_rule("K4")
def a_time_out(stage: Stage) -> None:
    """A playbook that takes longer than `timeout_seconds` is ended, and told as `failed` with `timeout`"""
    run = stage.offer("works", timeout_seconds=TIMEOUT_SECONDS)
    stage.wait("the run is over", lambda: stage.is_over(run))
    told = (finish_of(run)["state"], finish_of(run)["error_reason"])
    require(told == ("failed", "timeout"), f"it told {told}")
    started = stage.api.of_run(run, "start")[0].wall
    lived = stage.death(run, 0) - started
    require(lived <= TIMEOUT_SECONDS + _TIMEOUT_GRACE_SECONDS, f"it ran for {lived:.1f} s")


def taken_away(stage: Stage) -> Mapping[int, tuple[PlayedRun, float]]:
    """Runs that somebody else has now, by the status that says so, and when it was said first."""
    runs = {status: stage.offer("stubborn") for status in (Http.CONFLICT, Http.GONE, Http.UNAUTHORIZED)}
    for status, run in runs.items():
        stage.await_work(run)
        run.treat = lambda _call, status=status: Problem(status)  # type: ignore[misc]
    for status, run in runs.items():
        stage.wait(f"it hears of {status.value}", lambda run=run: bool(_refusals(stage, run)), LEASE_SECONDS)  # type: ignore[misc]
    return {status: (run, _refusals(stage, run)[0].wall) for status, run in runs.items()}


def _refusals(stage: Stage, run: PlayedRun) -> list[Call]:
    return [call for call in stage.api.of_run(run) if isinstance(call.treatment, Problem) and call.status]


@executor_rule("K5")
def a_conflict(stage: Stage) -> None:
    """409 in problem+json: the process group is killed, and no end is told"""
    _is_dropped(stage, Http.CONFLICT)


@executor_rule("K6")
def gone(stage: Stage) -> None:
    """410 in problem+json: the same"""
    _is_dropped(stage, Http.GONE)


@executor_rule("K7")
def another_token(stage: Stage) -> None:
    """401 to the run's token: the same"""
    _is_dropped(stage, Http.UNAUTHORIZED)


def _is_dropped(stage: Stage, status: int) -> None:
    run, told = stage.play(taken_away)[status]
    late = stage.death(run, OBEY_SECONDS) - told
    require(late <= OBEY_SECONDS, f"a process lived for {late:.1f} s after it")
    require(not stage.api.of_run(run, "finish"), "it told an end")


def noisy(stage: Stage) -> Mapping[str, PlayedRun]:
    """A run whose calls meet everything but the API, and one whose API has a wrong clock and forgets."""
    runs = {"noise": stage.offer("works"), "clock": stage.offer("works", lease_expires_at=PAST)}
    for run in runs.values():
        stage.await_work(run)
    turn = count()
    begun = len(stage.api.of_run(runs["noise"]))
    runs["noise"].treat = lambda _call: NOISE[next(turn) % len(NOISE)]
    stage.api.executor_tokens.clear()
    stage.api.holds_within(stage.api.stopped.is_set, NOISE_SECONDS)
    require(len(stage.api.of_run(runs["noise"])) > begun + 1, "it did not try again")
    runs["noise"].treat = lambda _call: None
    for run in runs.values():
        stage.gate(run).touch()
    with suppress(BrokenRuleError):  # which of them did not end well is judged by the rules
        stage.wait("both are over", lambda: all(stage.is_over(run) for run in runs.values()))
    return runs


@executor_rule("K8")
def no_answer_of_ours(stage: Stage) -> None:
    """401, 409 and 410 that are not problem+json, and any 5xx, are no answer: the run goes on"""
    require(finish_of(stage.play(noisy)["noise"]).get("state") == "successful", "it did not")


@executor_rule("K9")
def another_clock(stage: Stage) -> None:
    """A lease is `lease_seconds` by its own clock, whatever time `lease_expires_at` says"""
    require(finish_of(stage.play(noisy)["clock"]).get("state") == "successful", "the run did not end well")


@executor_rule("K10")
def unknown_to_the_api(stage: Stage) -> None:
    """401 to the executor's token: it registers again, and its runs go on"""
    stage.play(noisy)
    stage.wait("it registers again", lambda: bool(stage.api.executor_tokens), LEASE_SECONDS)
    require(finish_of(stage.play(noisy)["clock"]).get("state") == "successful", "its run did not go on")


@executor_rule("K11")
def silence(stage: Stage) -> None:
    """Without an answer every process is dead before the lease ends, counted from the last one answered"""
    run = stage.offer("stubborn")
    stage.await_work(run)
    run.treat = lambda _call: Trick.SILENT
    _dies_in_time(stage, run)


@executor_rule("K12")
def frozen(stage: Stage) -> None:
    """The same while the executor itself is frozen (SIGSTOP)"""
    run = stage.offer("stubborn")
    stage.await_work(run)
    stage.subject.freeze(frozen=True)
    try:
        _dies_in_time(stage, run)
    finally:
        stage.subject.freeze(frozen=False)


def _dies_in_time(stage: Stage, run: PlayedRun) -> None:
    renewed = max(
        call.wall
        for call in stage.api.of_run(run)
        if call.what in ("job-runs/claim", "job-runs/heartbeat") and call.status == Http.OK
    )
    try:
        over = stage.death(run, LEASE_SECONDS + 2.0) - renewed
        require(over < LEASE_SECONDS, f"a process lived for {over:.1f} s of a lease of {LEASE_SECONDS} s")
    finally:
        run.state = "lost"
        stage.alive(run).unlink()
