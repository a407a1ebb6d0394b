"""/projects"""

from http import HTTPStatus
from typing import Any

from flask import Response

from drover_api.access.principal import current_principal
from drover_api.access.require import require
from drover_api.access.roles import UPDATE
from drover_api.activity import record
from drover_api.http.blueprint import PREFIX, PublicBlueprint
from drover_api.http.etags import detail
from drover_api.http.fields import instance
from drover_api.http.idempotency import idempotent
from drover_api.http.unit import session
from drover_api.jobs.after import ring_scheduler
from drover_api.jobs.pending import pending_reason
from drover_api.jobs.schemas import JobDetailSchema
from drover_api.jobs.syncs import sync
from drover_api.jobs.views import job_documents
from drover_api.resources.projects import contents
from drover_api.resources.projects.schemas import PlaybookPageSchema, PlaybookQuery
from drover_api.resources.projects.service import Projects
from drover_api.resources.routes import add_crud

blp = PublicBlueprint("projects", "Repositories of playbooks")
add_crud(blp, Projects(), "project", "projects", "/projects")


@blp.post("/projects/<id:project_id>/sync")
@idempotent
@blp.response(HTTPStatus.ACCEPTED, JobDetailSchema)
def sync_project(project_id: int) -> Response:
    """Let an executor look what the project's repository holds now

    The answer is the job that does it; one that waits already is answered again.
    """
    project = require(session(), current_principal(), UPDATE, "project", project_id)
    job = sync(session(), current_principal(), project)
    changes = {"job_id": [None, job.id]}
    organization_id = project.organization_id
    record(
        session(),
        current_principal(),
        "sync",
        "project",
        project_id,
        organization_id=organization_id,
        changes=changes,
    )
    ring_scheduler(job.id)
    document = job_documents(session(), [job])[0] | {"pending_reason": pending_reason(session(), job)}
    location = {"Location": f"{PREFIX}/jobs/{job.id}"}
    return detail(instance(JobDetailSchema), document, HTTPStatus.ACCEPTED, location)


@blp.get("/projects/<id:project_id>/playbooks")
@blp.arguments(PlaybookQuery, location="query")
@blp.response(HTTPStatus.OK, PlaybookPageSchema)
def list_project_playbooks(args: dict[str, Any], project_id: int) -> dict[str, Any]:
    """List the playbooks that the last sync found"""
    return contents.playbooks(session(), current_principal(), project_id, args)
