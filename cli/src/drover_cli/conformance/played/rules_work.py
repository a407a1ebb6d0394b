"""How an executor takes work, and comes and goes."""

from dataclasses import dataclass
from http import HTTPStatus as Http
from typing import Any

from drover_cli.conformance.kit import require
from drover_cli.conformance.played.runs import Call, PlayedRun, Problem, Treat, Treatment, Trick
from drover_cli.conformance.played.stage import BEAT_SECONDS, LEASE_SECONDS, Stage
from drover_cli.conformance.played.subject import DRAIN_SECONDS, SLOTS
from drover_cli.conformance.registry import executor_rule

RETRY_SECONDS = 2
RESTART_LEASE_SECONDS = 40  # on a busy machine an executor may take longer to start than other leases last
_STOP_SECONDS = DRAIN_SECONDS + 15.0


@dataclass(frozen=True)
class Plain:
    """A run whose claim went unheard once, after two that others had, and a poll that was sent away."""

    run: PlayedRun
    taken: list[PlayedRun]
    sent_away_at: float


def plain(stage: Stage) -> Plain:
    away: list[Call] = []

    def too_many(call: Call) -> Treatment | None:
        if call.what != "executors/next" or away:
            return None
        away.append(call)
        return Problem(503, "too many wait", {"Retry-After": str(RETRY_SECONDS)})

    stage.api.treat = too_many
    taken = [stage.make("quick"), stage.make("quick")]
    for run, status in zip(taken, (409, 410), strict=True):
        run.treat = taken_by_another(run, status)
        stage.api.add(run)
    stage.wait("it asks for work", lambda: bool(away))
    run = stage.make("quick")
    run.treat = unheard_claim(run)
    stage.wait("it tries to claim what it is offered", lambda: all(one.state == "lost" for one in taken))
    stage.api.add(run)
    stage.wait("a run of a playbook is over, and all its output is stored", lambda: stage.is_over(run))
    return Plain(run, taken, away[0].at)


def taken_by_another(run: PlayedRun, status: int) -> Treat:
    """Refuse the claim as for a run that somebody else was quicker to take."""

    def treat(call: Call) -> Treatment | None:
        if call.what != "job-runs/claim":
            return None
        run.state = "lost"
        return Problem(status)

    return treat


def unheard_claim(run: PlayedRun) -> Treat:
    """Take the first claim, and lose the answer."""

    def treat(call: Call) -> Treatment | None:
        return Trick.UNHEARD if call.what == "job-runs/claim" and run.state == "pending" else None

    return treat


@executor_rule("E1")
def it_registers(stage: Stage) -> None:
    """It registers with the registration token and tells its name, pools, slots and version"""
    stage.ready()
    stage.wait("it registers", lambda: any(call.status == Http.OK for call in stage.api.named("executors")))
    call = next(call for call in stage.api.named("executors") if call.status == Http.OK)
    told = {name: call.body.get(name) for name in ("name", "pools", "slots")}
    wanted = {"name": "conformance", "pools": ["conformance"], "slots": SLOTS}
    require(told == wanted, f"it told {told} instead of {wanted}")
    require(isinstance(call.body.get("version"), str), "it told no version")


@executor_rule("E2")
def it_polls(stage: Stage) -> None:
    """It asks for work by long polls; after a 503 not before `Retry-After` is over"""
    sent_away = stage.play(plain).sent_away_at
    polls = [call.at for call in stage.api.named("executors/next")]
    gap = min(at for at in polls if at > sent_away) - sent_away
    require(gap >= RETRY_SECONDS * 0.9, f"it asked again {gap:.1f} s after a 503 with Retry-After")


@executor_rule("E3")
def it_claims(stage: Stage) -> None:
    """A claim that is refused with 409 or 410 is left alone; one without an answer is made again"""
    played = stage.play(plain)
    for run in played.taken:
        claims = len(stage.api.of_run(run))
        require(claims == 1, f"after a claim was refused {claims - 1} more calls came for that run")
    require(len(stage.api.of_run(played.run, "claim")) > 1, "the claim was not made again")


@executor_rule("E4")
def it_uses_the_runs_token(stage: Stage) -> None:
    """Every call of a run has the token that its last claim was answered, and claims have the executor's"""
    run = stage.play(plain).run
    for call in stage.api.of_run(run):
        if call.what == "job-runs/claim":
            require(call.token in stage.api.executor_tokens.values(), "a claim without the executor's token")
        else:
            require(call.token == run.run_token, f"{call.method} {call.what} without the run's token")


@executor_rule("E5")
def it_starts_in_order(stage: Stage) -> None:
    """It reads the manifest, starts the run with the project's revision, and only then puts anything out"""
    run = stage.play(plain).run
    firsts = {call.what: call.at for call in reversed(stage.api.of_run(run))}
    for early, late in (
        ("manifest", "start"),
        ("start", "events"),
        ("start", "log-chunks"),
        ("start", "finish"),
    ):
        times = firsts.get(f"job-runs/{early}"), firsts.get(f"job-runs/{late}")
        require(None not in times, f"no {early} or no {late}")
        require(times[0] <= times[1], f"{late} before {early}")  # type: ignore[operator]  # neither is None
    require(isinstance(run.revision, str) and len(run.revision) >= 40, f"the revision is {run.revision!r}")


@executor_rule("E6")
def it_keeps_to_its_slots(stage: Stage) -> None:
    """It claims no more runs than it has slots"""
    runs = [stage.offer("works") for _ in range(SLOTS + 1)]
    stage.wait(f"{SLOTS} runs are claimed", lambda: sum(run.state != "pending" for run in runs) >= SLOTS)
    rushed = stage.api.holds_within(lambda: all(run.state != "pending" for run in runs), 2.0)
    for run in runs:
        run.state = "lost"
    stage.wait(
        "it hears that the runs are gone",
        lambda: sum(run.refused > 0 for run in runs) >= SLOTS,
        LEASE_SECONDS,
    )
    require(not rushed, f"it claimed {SLOTS + 1} runs at once")


@executor_rule("E7")
def it_drains(stage: Stage) -> None:
    """While its heartbeats answer `drain: true` it claims nothing; afterwards it does"""
    beats = len(stage.api.named("executors/heartbeat"))
    stage.api.set_drain(drain=True)
    try:
        stage.wait(
            "it reports, with the executor's heartbeat",
            lambda: len([call for call in stage.api.named("executors/heartbeat") if call.status]) > beats + 1,
        )
        run = stage.offer("quick")
        claimed = stage.api.holds_within(lambda: run.state != "pending", 3.0 * BEAT_SECONDS)
    finally:
        stage.api.set_drain(drain=False)
    require(not claimed, "it claimed a run")
    stage.wait("the run is claimed when the drain is over", lambda: run.state != "pending")
    run.state = "lost"


@executor_rule("E8")
def it_comes_back(stage: Stage) -> None:
    """Killed and started again it goes on with its run, or tells `executor_lost` before the lease ends"""
    run = stage.offer("works", lease_seconds=RESTART_LEASE_SECONDS)
    stage.await_work(run)
    token, killed_at = run.run_token, len(stage.api.of_run(run))
    stage.subject.kill()
    stage.subject.start()
    stage.wait(
        "it calls for its run again",
        lambda: any(call.status for call in stage.api.of_run(run)[killed_at:]),
        RESTART_LEASE_SECONDS,
    )
    stage.gate(run).touch()
    stage.wait("the run is over", lambda: stage.is_over(run))
    told = finish_of(run)
    require(run.run_token == token, "it claimed the run again")
    require(
        told["state"] == "successful" or told["error_reason"] == "executor_lost",
        f"it told {told['state']}, {told['error_reason']}",
    )
    stage.death(run, 0)


@executor_rule("E9")
def it_stops(stage: Stage) -> None:
    """At SIGTERM it takes nothing more, gives its runs the time that it has for them, ends them, and goes"""
    run = stage.offer("works")
    stage.await_work(run)
    polls = len(stage.api.named("executors/next"))
    status = stage.subject.terminate(_STOP_SECONDS)
    try:
        require(status is not None, f"it was still there after {_STOP_SECONDS:g} s")
        stage.death(run, 1.0)
    finally:
        stage.subject.end()
        stage.alive(run).unlink()
    more = len(stage.api.named("executors/next")) - polls
    require(more <= 1, f"it asked for work {more} more times")  # one may have been on its way


def finish_of(run: PlayedRun) -> dict[str, Any]:
    """What it told of the run's end; empty where it told none."""
    return run.finish or {}
