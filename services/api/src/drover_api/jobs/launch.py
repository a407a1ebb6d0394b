"""A launch: template, survey and overrides become a job with everything frozen that it will need."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drover_shared import traces
from drover_shared.db.credential_snapshots import freeze
from drover_shared.db.models import Job, JobTemplate, Project
from drover_shared.domain.errors import ConflictError, InvalidError
from drover_shared.domain.slices import slices_for
from drover_shared.domain.variables import merged_extra_vars
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.crypto import MASK
from drover_api.jobs import resolve, survey
from drover_api.jobs.overrides import PLAIN, LaunchCommand, check_asked, names_a_file
from drover_api.jobs.prompted import check_prompted
from drover_api.jobs.syncs import update_before

Seal = Callable[[Mapping[str, Any]], bytes]


def launch(
    session: Session, principal: Principal, commands: Sequence[LaunchCommand], seal: Seal
) -> list[Job]:
    """Make pending jobs, all or none; the caller commits, then rings the scheduler.

    `seal` encrypts secret survey answers. Raises InvalidError naming each wrong field, ForbiddenError where
    a template may not be executed, or an override not used, by the principal, ConflictError where slices of
    it could not see the same hosts.
    """
    builder = _Builder(session, principal, seal)
    jobs = [(builder.job(command), builder.project(command)) for command in commands]
    update_before(session, principal, jobs)
    made = [job for job, _ in jobs]
    session.add_all(made)
    session.flush()
    return made


class _Builder:
    """Reads each template and each inventory once, however many launches of them there are."""

    def __init__(self, session: Session, principal: Principal, seal: Seal) -> None:
        self._session, self._principal, self._seal = session, principal, seal
        self._prepared: dict[int, resolve.Prepared] = {}
        self._snapshots: dict[tuple[int | None, ...], list[int]] = {}
        self._inventories: dict[int, resolve.FrozenInventory] = {}

    def job(self, command: LaunchCommand) -> Job:
        session, principal, ready = self._session, self._principal, self._ready(command)
        template, project = ready.template, ready.project
        answerable = {question["variable"] for question in survey.questions(template.survey)}
        check_asked(command, template, [one.id for one in ready.credentials], answerable)
        inventory = resolve.inventory_id(session, principal, command, template)
        frozen = self._inventory(inventory, ready)
        environment = resolve.environment(session, principal, command, ready)
        credential_ids = resolve.credentials(session, principal, command, ready.credentials)
        check_prompted(session, credential_ids, command.secrets, command.pointer)
        slices = slices_for(template.slice_count, frozen.host_count)
        return Job(
            name=template.name,
            traceparent=traces.current(),
            organization_id=template.organization_id,
            job_template_id=template.id,
            launched_by_id=principal.user_id,
            inventory_id=inventory,
            inventory_snapshot_id=frozen.snapshot_id,
            inventory_project=_inventory_project(frozen, project.id, sliced=slices > 1),
            slice_count=slices,
            project_id=project.id,
            project=resolve.frozen_project(project),
            execution_environment_id=environment["id"],
            environment=environment,
            credential_ids=credential_ids,
            credential_snapshot_ids=self._credentials(
                *credential_ids, project.credential_id, environment["credential_id"], frozen.credential_id
            ),
            credential_secrets=self._seal(command.secrets) if command.secrets else None,
            **_variables(command, template, self._seal),
            **_settings(command, template),
        )

    def project(self, command: LaunchCommand) -> Project:
        return self._ready(command).project

    def _ready(self, command: LaunchCommand) -> resolve.Prepared:
        if command.job_template_id not in self._prepared:
            found = resolve.prepared(self._session, self._principal, command)
            self._prepared[command.job_template_id] = found
        return self._prepared[command.job_template_id]

    def _credentials(self, *ids: int | None) -> list[int]:
        """Everything secret that a run may read, as it is now."""
        if ids not in self._snapshots:
            self._snapshots[ids] = freeze(self._session, (one for one in ids if one is not None))
        return self._snapshots[ids]

    def _inventory(self, inventory_id: int, ready: resolve.Prepared) -> resolve.FrozenInventory:
        if inventory_id not in self._inventories:
            own = ready.inventory if inventory_id == ready.template.inventory_id else None
            found = own or resolve.frozen_inventory(self._session, inventory_id)
            self._inventories[inventory_id] = found
        return self._inventories[inventory_id]


def _inventory_project(
    frozen: resolve.FrozenInventory, project_id: int, *, sliced: bool
) -> dict[str, Any] | None:
    """None where the inventory is read from the job's own checkout.

    Slices read the same commit, or they would divide different lists of hosts: what the last sync found.
    Raises ConflictError where there was none.
    """
    source = frozen.project
    if source is None or source["id"] == project_id:
        return None
    if not sliced or source["scm_type"] != "git":
        return source
    if frozen.revision is None:
        detail = f"Its inventory is in project {source['id']}, which was never synced."
        raise ConflictError(f"The slices of a job must see the same hosts. {detail}")
    return {**source, "scm_revision": frozen.revision}


def _settings(command: LaunchCommand, template: JobTemplate) -> dict[str, Any]:
    """What the template says and the launch may override, and what only the template says."""
    chosen = {name: command.given.get(name, getattr(template, name)) for name in (*PLAIN, "become_enabled")}
    if names_a_file(chosen["limit"]):
        raise command.error("limit", "Must be a host pattern; it may not name a file with @.")
    own = (
        "playbook",
        "start_at_task",
        "use_fact_cache",
        "fact_cache_timeout_seconds",
        "allow_simultaneous",
        "max_attempts",
        "retry_on",
        "retry_hosts",
        "retry_wait_seconds",
        "executor_pool",
        "priority",
        "waiting_timeout_seconds",
        "start_timeout_seconds",
    )
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
    own = template.extra_vars
    trusted = {name for name in own if merged[name] == own[name]}  # who launches may not write templates
    return {
        "extra_vars": merged | dict.fromkeys(secrets, MASK),
        "untrusted_vars": sorted(name for name in merged if name not in trusted),
        "secret_vars": seal(secrets) if secrets else None,
    }
