"""Routes that an executor calls for one attempt."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Response, jsonify

from drover_api.deps import deps
from drover_api.http.unit import after_commit, session
from drover_api.internal import attempts, credentials, executors, facts, lifecycle, manifest, output
from drover_api.internal.http import InternalBlueprint, given_token, lease_terms
from drover_api.internal.schemas import (
    MAX_DETAIL,
    BeatAnswerSchema,
    BeatSchema,
    ChunkSchema,
    ClaimedSchema,
    ClaimSchema,
    EventsSchema,
    FactsPageSchema,
    FactsQuery,
    FactsSchema,
    FinishedSchema,
    FinishSchema,
    KeptSchema,
    ManifestSchema,
    RunCredentialSchema,
    StartedSchema,
    StartSchema,
)
from drover_api.jobs.after import ring_scheduler
from drover_api.metrics import LAUNCH_TO_START_SECONDS

blp = InternalBlueprint("internal-runs", "Run attempts: claim, lease, manifest, secrets, output, end")


@blp.post("/job-runs/<uuid:run_id>/claim")
@blp.arguments(ClaimSchema)
@blp.response(HTTPStatus.OK, ClaimedSchema)
def claim_run(body: dict[str, Any], run_id: UUID) -> dict[str, Any]:
    """Take a pending run: 409 when another executor has it, 410 when it is over"""
    token, executor_id, terms = given_token(), body["executor_id"], lease_terms()
    slices = body["slices"]
    won = attempts.claim_by_token(session(), run_id, token, executor_id, terms, knows_slices=slices)
    if won is None:
        executor = executors.named_executor(session(), token, executor_id)
        won = attempts.claim(session(), run_id, executor, terms, knows_slices=slices)
    _ring(run_id)
    return {
        "run_token": won.run_token,
        "stream_token": won.stream_token,
        "lease_expires_at": won.lease_expires_at,
        "lease_seconds": terms.lease_seconds,
        "heartbeat_interval_seconds": terms.heartbeat_interval_seconds,
    }


@blp.get("/job-runs/<uuid:run_id>/manifest")
@blp.response(HTTPStatus.OK, ManifestSchema)
def get_run_manifest(run_id: UUID) -> dict[str, Any]:
    """What to run (specification 7.1)"""
    run = attempts.live_run(session(), run_id, given_token())
    return manifest.manifest(session(), run, deps().vault.decrypt)


@blp.get("/job-runs/<uuid:run_id>/credentials/<id:credential_id>")
@blp.response(HTTPStatus.OK, RunCredentialSchema)
def get_run_credential(run_id: UUID, credential_id: int) -> dict[str, Any]:
    """All fields of one of the run's credentials, while the attempt is live; each read is audited"""
    run = attempts.live_run(session(), run_id, given_token())
    return credentials.credential(session(), run, credential_id, deps().vault.decrypt)


@blp.get("/job-runs/<uuid:run_id>/facts")
@blp.arguments(FactsQuery, location="query")
@blp.response(HTTPStatus.OK, FactsPageSchema)
def get_run_facts(args: dict[str, Any], run_id: UUID) -> dict[str, Any]:
    """Facts that earlier jobs gathered, by host, a page at a time; none where the job does not use them"""
    run = attempts.live_run(session(), run_id, given_token())
    return facts.page(session(), run, args["after"])


@blp.put("/job-runs/<uuid:run_id>/facts")
@blp.arguments(FactsSchema)
@blp.response(HTTPStatus.OK, KeptSchema)
def put_run_facts(body: dict[str, Any], run_id: UUID) -> dict[str, int]:
    """Keep facts that the run has gathered or cleared; before `finish`"""
    run = attempts.live_run(session(), run_id, given_token())
    return {"kept": facts.keep(session(), run, body["hosts"])}


@blp.post("/job-runs/<uuid:run_id>/start")
@blp.arguments(StartSchema)
@blp.response(HTTPStatus.OK, StartedSchema)
def start_run(body: dict[str, Any], run_id: UUID) -> dict[str, Any]:
    """The playbook begins: `starting` → `running`"""
    started = lifecycle.start(session(), run_id, given_token(), body["project_revision"], lease_terms())
    waited = started.waited_seconds
    if waited is not None:
        after_commit(lambda: LAUNCH_TO_START_SECONDS.observe(waited))
    if started.slice_id is not None:
        ring_scheduler(started.slice_id)  # the job that it is a slice of runs now
    _ring(run_id)
    return {"state": "running", "cancel": started.cancel}


@blp.put("/job-runs/<uuid:run_id>/heartbeat")
@blp.arguments(BeatSchema)
@blp.response(HTTPStatus.OK, BeatAnswerSchema)
def run_heartbeat(body: dict[str, Any], run_id: UUID) -> dict[str, Any]:
    """Renew the lease, learn of a cancel, and what of the output is not stored yet"""
    beat = lifecycle.heartbeat(
        session(), run_id, given_token(), body["last_seq"], body["last_log_seq"], lease_terms()
    )
    return {
        "lease_expires_at": beat.lease_expires_at,
        "cancel": beat.cancel,
        "committed_seq": beat.stored.committed_seq,
        "missing": beat.stored.gaps.missing,
        "committed_log_seq": beat.stored.committed_log_seq,
        "missing_log": beat.stored.gaps.missing_log,
    }


@blp.post("/job-runs/<uuid:run_id>/events")
@blp.arguments(EventsSchema)
@blp.response(HTTPStatus.ACCEPTED)
def post_run_events(body: dict[str, Any], run_id: UUID) -> None:
    """A batch of events, for executors that speak HTTP alone; taken also after `finish`, until complete"""
    run = attempts.owned_run(session(), run_id, given_token())
    deps().output.put_events(run, body["token"], body["events"])


@blp.post("/job-runs/<uuid:run_id>/log-chunks")
@blp.arguments(ChunkSchema)
@blp.response(HTTPStatus.ACCEPTED)
def post_run_log_chunk(body: dict[str, Any], run_id: UUID) -> None:
    """One chunk of the log, for executors that speak HTTP alone; taken also after `finish`, until complete"""
    run = attempts.owned_run(session(), run_id, given_token())
    chunk = output.decoded(body["body"])
    deps().output.put_chunk(run, body["token"], body["seq"], body["offset"], chunk)


@blp.post("/job-runs/<uuid:run_id>/finish")
@blp.arguments(FinishSchema)
@blp.response(HTTPStatus.OK, FinishedSchema)
@blp.alt_response(HTTPStatus.ACCEPTED, schema=FinishedSchema, description="Output is missing: send it again")
def finish_run(body: dict[str, Any], run_id: UUID) -> Response:
    """The attempt is over; 200 once all of its output is stored, 202 with what is missing until then"""
    detail = body.pop("error_detail")
    ending = lifecycle.Ending(error_detail=None if detail is None else detail[:MAX_DETAIL], **body)
    finished = lifecycle.finish(session(), run_id, given_token(), ending, deps().new_run_id)
    missing = finished.missing
    _ring(run_id)
    for job_id in finished.moved_jobs:
        ring_scheduler(job_id)  # a place is free, or a job may go on: nobody need wait for a tick
    answer = jsonify(
        complete=missing is None,
        missing=[] if missing is None else missing.missing,
        missing_log=[] if missing is None else missing.missing_log,
    )
    answer.status_code = HTTPStatus.OK if missing is None else HTTPStatus.ACCEPTED
    return answer


def _ring(run_id: UUID) -> None:
    rings = deps().rings
    after_commit(lambda: rings.state_changed(run_id))
