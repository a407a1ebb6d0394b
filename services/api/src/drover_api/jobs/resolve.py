"""The resources of a launch: found, usable by who launches, and frozen as they are now."""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

from drover_shared.db.models import (
    Credential,
    CredentialType,
    ExecutionEnvironment,
    Inventory,
    InventorySnapshot,
    JobTemplate,
    JobTemplateCredential,
    Organization,
    Project,
)
from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.orm import Session, aliased

from drover_api.access.principal import Principal
from drover_api.access.require import reference
from drover_api.access.roles import EXECUTE
from drover_api.jobs.overrides import LaunchCommand
from drover_api.resources.inventories.render import snapshot

_MANY_ALLOWED = "vault"


@dataclass(frozen=True, slots=True)
class HeldCredential:
    """A credential with what decides whether two of them get along."""

    id: int
    kind: str
    name: str
    vault_id: str


def inventory_id(
    session: Session, principal: Principal, command: LaunchCommand, template: JobTemplate
) -> int:
    """The override's inventory, else the template's; raises InvalidError where there is none."""
    wanted = command.given.get("inventory_id", template.inventory_id)
    if wanted is None:
        raise command.error("inventory_id", "The template has no inventory, so a launch must name one.")
    if wanted != template.inventory_id:
        reference(session, principal, "inventory", wanted, f"{command.pointer}/inventory_id")
    return int(wanted)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A template that the principal may execute, with what every launch of it needs."""

    template: JobTemplate
    credentials: list[HeldCredential]
    project: Project
    environment: ExecutionEnvironment | None
    inventory: "FrozenInventory | None"  # the template's own; None where nobody has launched it as it is now


def prepared(session: Session, principal: Principal, command: LaunchCommand) -> Prepared:
    """The command's template; raises InvalidError where it is not visible, ForbiddenError where only that.

    The environment is the first of: the template's, its project's, its organization's, the managed default.
    """
    pointer = f"{command.pointer}/job_template_id"
    template = reference(session, principal, "job_template", command.job_template_id, pointer, EXECUTE)
    found = session.execute(_preparing(), {"template_id": template.id}).one()
    project, default, held, snapshot_id, hosts, source = found
    inventory = None if snapshot_id is None else _frozen(snapshot_id, hosts, source)
    return Prepared(template, [HeldCredential(*one) for one in held or ()], project, default, inventory)


def environment(
    session: Session, principal: Principal, command: LaunchCommand, ready: Prepared
) -> dict[str, Any]:
    """The override's environment, else the prepared one; frozen as {id, image, pull, …}."""
    found = ready.environment
    wanted = command.given.get("execution_environment_id")
    if wanted is not None and wanted != ready.template.execution_environment_id:
        pointer = f"{command.pointer}/execution_environment_id"
        found = reference(session, principal, "execution_environment", wanted, pointer)
    if found is None:
        raise command.error("execution_environment_id", "No environment is named, and there is no default.")
    return {
        "id": found.id,
        "name": found.name,
        "image": found.image,
        "pull": found.pull,
        "credential_id": found.credential_id,
    }


@cache
def _preparing() -> Select[Any]:
    """What the template `template_id` names, in one query; made once: it takes longer to build than to run.

    Its project, its environment, its credentials as lists, and its inventory as `_snapshot_and_source`.
    """
    managed = select(func.min(ExecutionEnvironment.id)).where(
        ExecutionEnvironment.managed, ExecutionEnvironment.organization_id.is_(None)
    )
    named = func.coalesce(
        JobTemplate.execution_environment_id,
        Project.execution_environment_id,
        Organization.execution_environment_id,
        managed.scalar_subquery(),
    )
    source = aliased(Project)
    return (
        select(
            Project,
            ExecutionEnvironment,
            _of_template(),
            InventorySnapshot.id,
            InventorySnapshot.host_count,
            source,
        )
        .select_from(JobTemplate)
        .join(Project, Project.id == JobTemplate.project_id)
        .join(Organization, Organization.id == JobTemplate.organization_id)
        .outerjoin(ExecutionEnvironment, ExecutionEnvironment.id == named)
        .outerjoin(Inventory, Inventory.id == JobTemplate.inventory_id)
        .outerjoin(InventorySnapshot, _current())
        .outerjoin(source, source.id == Inventory.source_project_id)
        .where(JobTemplate.id == bindparam("template_id"))
    )


@dataclass(frozen=True, slots=True)
class FrozenInventory:
    """The snapshot of an inventory's current version.

    `project` where it is a file of one, and what its last sync found; `host_count` is None then, for only an
    executor finds out.
    """

    snapshot_id: int
    host_count: int | None
    project: dict[str, Any] | None = None
    revision: str | None = None

    @property
    def credential_id(self) -> int | None:
        """What its project is read with."""
        return None if self.project is None else self.project["scm_credential_id"]


def frozen_inventory(session: Session, inventory_id: int) -> FrozenInventory:
    """An inventory as it is now, without reading what may be megabytes where others have launched it."""
    known, hosts, source = session.execute(_snapshot_and_source(), {"inventory_id": inventory_id}).one()
    if known is None:
        made = snapshot(session, inventory_id)
        known, hosts = made.id, made.host_count
    return _frozen(known, hosts, source)


def _frozen(snapshot_id: int, hosts: int | None, source: Project | None) -> FrozenInventory:
    if source is None:
        return FrozenInventory(snapshot_id, hosts)
    return FrozenInventory(snapshot_id, None, frozen_project(source), source.scm_revision)


def _current() -> ColumnElement[bool]:
    """The snapshot of an inventory's current version."""
    return and_(
        InventorySnapshot.inventory_id == Inventory.id, InventorySnapshot.version == Inventory.version
    )


@cache
def _snapshot_and_source() -> "Select[int, int, Project]":
    return (
        select(InventorySnapshot.id, InventorySnapshot.host_count, Project)
        .select_from(Inventory)
        .outerjoin(InventorySnapshot, _current())
        .outerjoin(Project, Project.id == Inventory.source_project_id)
        .where(Inventory.id == bindparam("inventory_id"))
    )


def _of_template() -> Any:
    """The template's credentials in their order, each as the values of a HeldCredential; null where none."""
    one = func.jsonb_build_array(*_held_columns())
    listed = func.jsonb_agg(aggregate_order_by(one, JobTemplateCredential.position, Credential.id))
    return (
        select(type_coerce(listed, JSONB))
        .select_from(JobTemplateCredential)
        .join(Credential, Credential.id == JobTemplateCredential.credential_id)
        .join(CredentialType, CredentialType.id == Credential.credential_type_id)
        .where(JobTemplateCredential.job_template_id == JobTemplate.id)
        .scalar_subquery()
    )


def credentials(
    session: Session, principal: Principal, command: LaunchCommand, own: list[HeldCredential]
) -> list[int]:
    """The ids to launch with: the override's, which replaces the template's list, else the template's.

    Raises InvalidError where one is not usable, named twice, or of a type that another one has already;
    vaults may be several, each with a vault id of its own.
    """
    wanted = command.given.get("credential_ids")
    if wanted is None:
        return [one.id for one in own]
    known = {one.id for one in own}
    for place, one in enumerate(wanted):
        if one not in known:
            reference(session, principal, "credential", one, f"{command.pointer}/credential_ids/{place}")
    held = select(*_held_columns()).join(CredentialType, CredentialType.id == Credential.credential_type_id)
    rows = session.execute(held.where(Credential.id.in_(wanted)))
    by_id = {row.id: HeldCredential(*row) for row in rows}
    _check_together(command, [by_id[one] for one in wanted])
    return list(wanted)


def _held_columns() -> tuple[Any, ...]:
    """The values of a HeldCredential, in its order."""
    vault_id = Credential.inputs["vault_id"].astext
    return Credential.id, CredentialType.namespace, Credential.name, vault_id


def _check_together(command: LaunchCommand, held: list[HeldCredential]) -> None:
    counts = Counter(_slot(one) for one in held)
    for place, one in enumerate(held):
        if counts[_slot(one)] > 1:
            what = f"vault id {one.vault_id or 'default'!r}" if one.kind == _MANY_ALLOWED else one.kind
            raise command.error(f"credential_ids/{place}", f"More than one credential of {what}.")


def _slot(one: HeldCredential) -> tuple[str, str]:
    return (one.kind, (one.vault_id or "") if one.kind == _MANY_ALLOWED else "")


def frozen_project(project: Project) -> dict[str, Any]:
    """The project as the manifest tells it; `scm_revision` null means: the head of `scm_branch`.

    `syncs.update_before` decides the revision of a job's own project; one that only holds its inventory is
    as its last sync found it, unless it wants to be looked at by every launch.
    """
    return {
        "id": project.id,
        "scm_type": project.scm_type,
        "scm_url": project.scm_url,
        "scm_branch": project.scm_branch,
        "scm_credential_id": project.credential_id,
        "scm_submodules": project.scm_submodules,
        "scm_clean": project.scm_clean,
        "scm_revision": None if project.update_on_launch else project.scm_revision,
    }
