"""Routes that make jobs."""

from http import HTTPStatus
from typing import Any

from drover_shared.db.models import Job
from flask import Response, request

from drover_api.access.principal import Principal, current_principal
from drover_api.deps import deps
from drover_api.http.arguments import load
from drover_api.http.blueprint import PREFIX, PublicBlueprint
from drover_api.http.body import json_body
from drover_api.http.etags import detail
from drover_api.http.fields import instance
from drover_api.http.idempotency import idempotent
from drover_api.http.unit import session
from drover_api.jobs.after import ring_for_launched
from drover_api.jobs.launch import launch
from drover_api.jobs.overrides import LaunchCommand
from drover_api.jobs.pending import just_accepted, pending_reason
from drover_api.jobs.relaunch import relaunch
from drover_api.jobs.schemas import (
    BulkLaunchedSchema,
    BulkLaunchSchema,
    JobDetailSchema,
    LaunchSchema,
    RelaunchSchema,
)
from drover_api.jobs.views import job_documents
from drover_api.resources.routes import json_request

# RFC 9745: since when `execution_environment` is deprecated, as seconds of the epoch (2025-12-01)
DEPRECATED_SINCE = "@1764547200"

blp = PublicBlueprint("launches", "Launch jobs")


@blp.post("/jobs")
@idempotent
@blp.arguments(LaunchSchema)
@blp.response(HTTPStatus.CREATED, JobDetailSchema)
def launch_job(body: dict[str, Any]) -> Response:
    """Launch a job template (specification 3.1)

    Overrides need the template's `ask_<field>_on_launch`. Variables: template < survey < request. The job is
    accepted as soon as it is in the database, whether or not the queue is there.
    """
    [job] = launch(session(), current_principal(), [LaunchCommand.read(body)], deps().vault.encrypt)
    return _accepted(job, deprecated="execution_environment" in body)


@blp.post("/jobs/<id:job_id>/relaunch")
@idempotent
@blp.doc(requestBody=json_request(RelaunchSchema) | {"required": False})
@blp.response(HTTPStatus.CREATED, JobDetailSchema)
def relaunch_job(job_id: int) -> Response:
    """Launch a finished job again, with the same resolved inputs; without a body, on all of its hosts"""
    body = load(instance(RelaunchSchema), json_body() if request.get_data(cache=True) else {})
    seal = deps().vault.encrypt
    return _accepted(
        relaunch(session(), current_principal(), job_id, body["hosts"], body["credential_secrets"], seal)
    )


@blp.post("/bulk/jobs")
@idempotent
@blp.arguments(BulkLaunchSchema)
@blp.response(HTTPStatus.CREATED, BulkLaunchedSchema)
def launch_jobs(body: dict[str, Any]) -> dict[str, Any]:
    """Launch up to 1,000 jobs in one transaction: all of them, or none"""
    commands = [LaunchCommand.read(one, f"/jobs/{place}") for place, one in enumerate(body["jobs"])]
    principal = current_principal()
    jobs = launch(session(), principal, commands, deps().vault.encrypt)
    for job in {job.waits_for_job_id or job.id: job for job in jobs}.values():
        ring_for_launched(job)
    return {"items": job_documents(session(), jobs, _myself(principal)), "total": len(jobs)}


def _accepted(job: Job, *, deprecated: bool = False) -> Response:
    ring_for_launched(job)
    reason = just_accepted() if job.waits_for_job_id is None else pending_reason(session(), job)
    [document] = job_documents(session(), [job], _myself(current_principal()))
    document |= {"pending_reason": reason}
    headers = {"Location": f"{PREFIX}/jobs/{job.id}"}
    if deprecated:
        headers["Deprecation"] = DEPRECATED_SINCE
    return detail(instance(JobDetailSchema), document, HTTPStatus.CREATED, headers)


def _myself(principal: Principal) -> dict[int, str]:
    """Who launched what was just launched."""
    return {principal.user_id: principal.username}
