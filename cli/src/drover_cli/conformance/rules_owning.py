"""Who may do what: registration, offers, claims, tokens, and the manifest."""

import time
from datetime import UTC, datetime
from http import HTTPStatus as Http
from uuid import uuid4

from drover_cli.api import Json
from drover_cli.conformance.kit import Kit, Run, expect, moment, require
from drover_cli.conformance.registry import rule

MANIFEST_KEYS = frozenset(
    {
        "job_run_id",
        "job_id",
        "attempt_number",
        "execution_environment",
        "inventory",
        "playbook",
        "extra_vars",
        "credentials",
        "timeout_seconds",
        "limit",
        "verbosity",
    }
)


@rule("R1")
def registration_needs_its_token(kit: Kit) -> None:
    """Without the registration token: 401"""
    for token in (None, "guess", kit.one.token):
        expect(kit.post("/executors", token, kit.registration("other")), Http.UNAUTHORIZED)


@rule("R2")
def registration_tells_the_terms(kit: Kit) -> None:
    """Registration answers the lease and a heartbeat interval of at most half of it"""
    require(kit.one.token != kit.two.token, "two executors have the same token")
    terms = f"lease {kit.one.lease_seconds} s, heartbeat {kit.one.heartbeat_seconds} s"
    require(0 < kit.one.heartbeat_seconds * 2 <= kit.one.lease_seconds, terms)


@rule("R3")
def registering_again_keeps_the_id(kit: Kit) -> None:
    """The same name again: the same id, a new token, and the old one is dead"""
    first, second = kit.register("again"), kit.register("again")
    require(first.id == second.id, f"id {first.id} became {second.id}")
    body: Json = {"running": []}
    expect(kit.post(f"/executors/{first.id}/heartbeat", first.token, body), Http.UNAUTHORIZED)
    expect(kit.post(f"/executors/{second.id}/heartbeat", second.token, body), Http.OK)


@rule("R4")
def an_executor_speaks_for_itself(kit: Kit) -> None:
    """With another executor's token: 403"""
    for path, body in (("heartbeat", {"running": []}), ("next", {"wait_seconds": 0})):
        expect(kit.post(f"/executors/{kit.one.id}/{path}", kit.two.token, body), Http.FORBIDDEN)


@rule("R5")
def unknown_fields_are_ignored(kit: Kit) -> None:
    """Fields that the API does not know are ignored"""
    body = {"running": [], "colour": "red"}
    told = expect(kit.post(f"/executors/{kit.one.id}/heartbeat", kit.one.token, body), Http.OK)
    require(told.get("drain") is False, f"drain is {told.get('drain')!r}")


@rule("N1")
def next_answers_204_in_time(kit: Kit) -> None:
    """A long poll with nothing to do: 204, not before its time and soon after"""
    started = time.monotonic()
    require(kit.next(kit.one, 1.0) is None, "a run was offered although nothing waits")
    took = time.monotonic() - started
    require(0.5 <= took < 10, f"it took {took:.1f} s instead of about 1 s")
    expect(kit.post(f"/executors/{kit.one.id}/next", kit.one.token, {"wait_seconds": 26}), 422)


@rule("N2")
def next_reserves_nothing(kit: Kit) -> None:
    """A run is offered until it is claimed, to every executor of its pool, and to none of another"""
    run_id, job_id = kit.waiting_run()
    require(kit.next(kit.two, 0) == run_id, "it is not offered to the pool's second executor")
    stranger = kit.register("stranger", f"{kit.name}-other")
    require(kit.next(stranger, 0) is None, "it is offered to another pool")
    expect(kit.claim(run_id, stranger), Http.CONFLICT)
    run = kit.take(run_id, job_id)
    require(kit.next(kit.two, 0) is None, "it is offered although it is claimed")
    expect(run.finish("failed"), Http.OK)


@rule("C1")
def a_claim_gives_tokens_and_a_lease(kit: Kit) -> None:
    """A claim answers two tokens and a lease that ends in the future"""
    run = kit.claimed_run()
    require(len({run.token, run.stream_token, kit.one.token}) == 3, "tokens are not different")
    left = (moment(run.claimed["lease_expires_at"]) - datetime.now(UTC)).total_seconds()
    require(abs(left - kit.one.lease_seconds) < 10, f"the lease ends in {left:.0f} s")
    expect(run.finish("failed"), Http.OK)


@rule("C2")
def a_claim_may_be_repeated(kit: Kit) -> None:
    """The same executor's claim while it prepares: 200 with new tokens; the old ones are dead"""
    old = kit.claimed_run()
    new = kit.take(old.id, old.job_id)
    expect(old.call("POST", "/start", {}), Http.UNAUTHORIZED)
    new.start()
    expect(new.finish("successful"), Http.OK)


@rule("C3")
def a_claimed_run_is_taken(kit: Kit) -> None:
    """Another executor's claim: 409 while it lives, 410 when it is over or unknown"""
    run = kit.running_run()
    expect(kit.claim(run.id, kit.two), Http.CONFLICT)
    expect(run.finish("successful"), Http.OK)
    expect(kit.claim(run.id, kit.two), Http.GONE)
    expect(kit.claim(uuid4(), kit.two), Http.GONE)


@rule("T1")
def a_run_token_serves_one_attempt(kit: Kit) -> None:
    """With any token but the attempt's own: 401"""
    run, other = kit.running_run(), kit.running_run()
    strangers = (other.token, run.stream_token, kit.one.token, "guess")
    for token in strangers:
        thief = Run(kit.http, run.id, run.job_id, token, run.stream_token, {})
        for method, path, body in (
            ("GET", "/manifest", None),
            ("PUT", "/heartbeat", {"last_seq": 0, "last_log_seq": -1}),
            ("POST", "/finish", run.ending("failed")),
        ):
            expect(thief.call(method, path, body), Http.UNAUTHORIZED)
    for each in (run, other):
        expect(each.finish("successful"), Http.OK)


@rule("M1")
def the_manifest_is_complete(kit: Kit) -> None:
    """The manifest has every key of its specification, and credentials by id, type and name alone"""
    run = kit.claimed_run()
    told = expect(run.call("GET", "/manifest"), Http.OK)
    require(told.keys() >= MANIFEST_KEYS, f"without {sorted(MANIFEST_KEYS - told.keys())}")
    require(told["job_run_id"] == str(run.id), "another run's id")
    require(told["job_id"] == run.job_id, "another job's id")
    for credential in told["credentials"]:
        require(credential.keys() == {"id", "type", "name"}, f"a credential with {sorted(credential)}")
    expect(run.call("GET", "/credentials/999999999"), Http.NOT_FOUND)
    expect(run.finish("failed"), Http.OK)
    expect(run.call("GET", "/manifest"), Http.GONE)
