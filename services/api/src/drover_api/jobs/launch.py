"""A launch: template, survey and overrides become one job with everything frozen that it will need."""

from collections.abc import Callable, Mapping
from typing import Any

from drover_shared.db.models import Job, JobTemplate, Project
from drover_shared.domain.errors import InvalidError
from drover_shared.domain.variables import merged_extra_vars
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.require import reference
from drover_api.access.roles import EXECUTE
from drover_api.crypto import MASK
from drover_api.jobs import resolve, survey
from drover_api.jobs.overrides import PLAIN, LaunchCommand, check_asked, names_a_file
from drover_api.resources.inventories.render import snapshot

Seal = Callable[[Mapping[str, Any]], bytes]


def launch(session: Session, principal: Principal, command: LaunchCommand, seal: Seal) -> Job:
    """Make a pending job from a template; the caller commits, then rings the scheduler.

    `seal` encrypts secret survey answers. Raises InvalidError naming each wrong field, ForbiddenError where
    the template may not be executed, or an override not used, by the principal.
    """
    template: JobTemplate = reference(
        session,
        principal,
        "job_template",
        command.job_template_id,
        f"{command.pointer}/job_template_id",
        EXECUTE,
    )
    own = resolve.template_credentials(session, template)
    answerable = {question["variable"] for question in survey.questions(template.survey)}
    check_asked(command, template, [one.id for one in own], answerable)
    project = session.get_one(Project, template.project_id)
    inventory = resolve.inventory_id(session, principal, command, template)
    environment = resolve.environment(session, principal, command, template, project)
    frozen = snapshot(session, inventory)
    job = Job(
        name=template.name,
        organization_id=template.organization_id,
        job_template_id=template.id,
        launched_by_id=principal.user_id,
        inventory_id=inventory,
        inventory_snapshot_id=frozen.id,
        project_id=project.id,
        project=resolve.frozen_project(project),
        execution_environment_id=environment["id"],
        environment=environment,
        credential_ids=resolve.credentials(session, principal, command, own),
        **_variables(command, template, seal),
        **_settings(command, template),
    )
    session.add(job)
    session.flush()
    return job


def _settings(command: LaunchCommand, template: JobTemplate) -> dict[str, Any]:
    """What the template says and the launch may override, and what only the template says."""
    chosen = {name: command.given.get(name, getattr(template, name)) for name in (*PLAIN, "become_enabled")}
    if names_a_file(chosen["limit"]):
        raise command.error("limit", "Must be a host pattern; it may not name a file with @.")
    own = ("playbook", "allow_simultaneous", "max_attempts", "executor_pool", "priority")
    return chosen | {name: getattr(template, name) for name in own}


def _variables(command: LaunchCommand, template: JobTemplate, seal: Seal) -> dict[str, Any]:
    """`extra_vars`, in which secret answers are masked, and those answers encrypted in `secret_vars`."""
    given = command.given.get("extra_vars", {})
    found = survey.answers(template.survey, given)
    errors = list(survey.faults(template.survey, found, f"{command.pointer}/extra_vars"))
    if errors:
        raise InvalidError(*errors)
    free = {name: value for name, value in given.items() if name not in found.values}
    merged = merged_extra_vars(template.extra_vars, found.values, free)
    secrets = {name: merged[name] for name in found.secret_names}
    return {
        "extra_vars": merged | dict.fromkeys(secrets, MASK),
        "secret_vars": seal(secrets) if secrets else None,
    }
