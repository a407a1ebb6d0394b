"""Launching a job again: the same resolved inputs, for all of its hosts or those that need it."""

from collections.abc import Mapping
from typing import Any

from drover_shared.db.credential_snapshots import freeze
from drover_shared.db.host_results import job_results, joined_results, without
from drover_shared.db.models import Credential, Job, JobRun, JobTemplate, JobTemplateCredential
from drover_shared.domain.errors import ConflictError
from drover_shared.domain.retries import RetryHosts
from drover_shared.domain.slices import slices_for
from drover_shared.domain.states import FINAL_JOB_STATUSES, JobKind
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.require import find, require
from drover_api.access.roles import EXECUTE, MODELS, USE
from drover_api.internal.credentials import used_credentials
from drover_api.jobs.launch import Seal
from drover_api.jobs.overrides import names_a_file
from drover_api.jobs.prompted import Prompted, check_prompted
from drover_api.jobs.slices import current_runs, is_split

_FROZEN = (
    "name",
    "organization_id",
    "job_template_id",
    "timeout_seconds",
    "waiting_timeout_seconds",
    "start_timeout_seconds",
    "inventory_id",
    "inventory_snapshot_id",
    "inventory_project",
    "project_id",
    "execution_environment_id",
    "environment",
    "playbook",
    "credential_ids",
    "extra_vars",
    "secret_vars",
    "untrusted_vars",
    "start_at_task",
    "job_type",
    "forks",
    "limit",
    "tags",
    "skip_tags",
    "verbosity",
    "diff_mode",
    "become_enabled",
    "use_fact_cache",
    "fact_cache_timeout_seconds",
    "allow_simultaneous",
    "max_attempts",
    "retry_on",
    "retry_hosts",
    "retry_wait_seconds",
    "executor_pool",
    "priority",
    "slice_count",
    "slice_number",
)


def relaunch(
    session: Session, principal: Principal, job_id: int, hosts: str, secrets: Prompted, seal: Seal
) -> Job:
    """A new pending job with what `job_id` had resolved, at the project revision it ran.

    `hosts`: `all`; `failed` (failed and unreachable); `failed_and_unstarted` (all but those that ended
    well). `secrets` are those that the launch was asked for, again. Raises ConflictError while the job is
    live or where no host is left, ForbiddenError where the principal may not use what it used.
    """
    original: Job = find(session, Job, principal, EXECUTE, job_id)
    if original.kind != JobKind.PLAYBOOK:
        raise ConflictError(f"The job is a {original.kind}: POST /projects/{original.project_id}/sync.")
    if original.status not in FINAL_JOB_STATUSES:
        raise ConflictError(f"The job is {original.status}: it can be launched again when it has ended.")
    _check_access(session, principal, original)
    check_prompted(session, original.credential_ids, secrets, "")
    values: dict[str, Any] = {name: getattr(original, name) for name in _FROZEN}
    values["project"] = {**original.project, "scm_revision": _revision(session, original)}
    if original.slice_count > 1 and _has_no_commit(values["project"]):
        raise ConflictError("The job never learned which commit its slices run: launch its template again.")
    if hosts != "all":
        values |= _limited(session, original, hosts)
        if names_a_file(values["limit"]):  # a playbook may make hosts of any name
            raise ConflictError("Ansible would take the name of a host for that of a file: launch it on all.")
    again = Job(
        **values,
        credential_snapshot_ids=freeze(session, used_credentials(original)),
        credential_secrets=seal(secrets) if secrets else None,
        launched_by_id=principal.user_id,
        launch_type="relaunch",
        relaunch_of_id=original.id,
    )
    session.add(again)
    session.flush()
    return again


def _check_access(session: Session, principal: Principal, job: Job) -> None:
    """Execute on the template, and use on whatever the launch overrode; without its template, use on all."""
    template = None if job.job_template_id is None else session.get(JobTemplate, job.job_template_id)
    own: set[int] = set()
    if template is not None:
        require(session, principal, EXECUTE, "job_template", template.id)
        of_template = JobTemplateCredential.job_template_id == template.id
        own = set(session.scalars(select(JobTemplateCredential.credential_id).where(of_template)))
    else:
        _require_use(session, principal, "project", job.project_id)
    if template is None or job.inventory_id != template.inventory_id:
        _require_use(session, principal, "inventory", job.inventory_id)
    there = set(session.scalars(select(Credential.id).where(Credential.id.in_(job.credential_ids))))
    for one in job.credential_ids:
        if one not in there:
            raise ConflictError(f"The job used credential {one}, which was deleted.")
        if one not in own:
            require(session, principal, USE, "credential", one)


def _require_use(session: Session, principal: Principal, resource_type: str, row_id: int) -> None:
    """What was deleted asks for nothing: the job has its own snapshot of it."""
    if session.get(MODELS[resource_type], row_id) is not None:
        require(session, principal, USE, resource_type, row_id)


def _revision(session: Session, job: Job) -> str | None:
    used: str | None = session.scalars(
        select(JobRun.project_revision)
        .where(JobRun.job_id == job.id, JobRun.project_revision.is_not(None))
        .order_by(JobRun.attempt_number.desc())
        .limit(1)
    ).first()
    return used or job.project.get("scm_revision")


def _has_no_commit(project: Mapping[str, Any]) -> bool:
    return project.get("scm_type") == "git" and project.get("scm_revision") is None


def _limited(session: Session, job: Job, hosts: str) -> dict[str, Any]:
    """`limit`, an Ansible host pattern, and how many slices it gets.

    For those unstarted the pattern leaves out who ended well; of a slice nobody knows how to say that.
    """
    runs = current_runs(session, job)
    of = (joined_results(runs) if is_split(job) else job_results(runs)).c
    bad = or_(of.failed > 0, of.unreachable > 0)
    chosen = bad if hosts == RetryHosts.FAILED else ~bad
    found = list(session.scalars(select(of.host).where(chosen).order_by(of.host)))
    if hosts == RetryHosts.FAILED_AND_UNSTARTED:
        if job.slice_number is not None:
            raise ConflictError("A slice is launched again for all or for its failed hosts.")
        return {"limit": without(job.limit, found)}
    if not found:
        raise ConflictError("No host of the job failed or was unreachable.")
    slices = 1 if job.slice_number is not None else slices_for(job.slice_count, len(found))
    return {"limit": ",".join(found), "slice_count": slices, "slice_number": None}
