"""What a launch starts from, made straight in the database: organization, project, inventory, template."""

from dataclasses import dataclass
from typing import Any

from drover_shared.db.models import (
    Credential,
    CredentialType,
    ExecutionEnvironment,
    Host,
    Inventory,
    JobTemplate,
    JobTemplateCredential,
    Organization,
    Project,
    RoleAssignment,
    User,
)
from sqlalchemy import select
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class World:
    """Ids of one organization's resources."""

    organization_id: int
    project_id: int
    inventory_id: int
    environment_id: int
    template_id: int


def make_world(db: Session, name: str = "ops", **template: Any) -> World:
    """An organization with a project, an inventory of two hosts, an environment and a template."""
    organization = _added(db, Organization(name=name))
    project = _added(
        db,
        Project(
            name="site",
            organization_id=organization.id,
            scm_url="https://git.example.com/site.git",
            scm_branch="main",
        ),
    )
    inventory = _added(db, Inventory(name="production", organization_id=organization.id))
    for host in ("web01.example.com", "web02.example.com"):
        db.add(Host(inventory_id=inventory.id, name=host))
    environment = _added(
        db,
        ExecutionEnvironment(
            name="ee", organization_id=organization.id, image="registry.example.com/ee:latest"
        ),
    )
    defaults: dict[str, Any] = {
        "name": "Deploy App",
        "organization_id": organization.id,
        "project_id": project.id,
        "inventory_id": inventory.id,
        "execution_environment_id": environment.id,
        "playbook": "deploy.yml",
    }
    made = _added(db, JobTemplate(**(defaults | template)))
    return World(organization.id, project.id, inventory.id, environment.id, made.id)


def add_credential(
    db: Session, world: World, kind: str, name: str, *, attach: bool = False, **values: Any
) -> int:
    """A credential of a built-in type; `attach` puts it on the template."""
    kind_id = db.scalars(select(CredentialType.id).where(CredentialType.namespace == kind)).one()
    credential: Credential = _added(
        db,
        Credential(name=name, organization_id=world.organization_id, credential_type_id=kind_id, **values),
    )
    if attach:
        db.add(JobTemplateCredential(job_template_id=world.template_id, credential_id=credential.id))
        db.flush()
    return credential.id


def grant(db: Session, username: str, role: str, resource_type: str, resource_id: int) -> None:
    user_id = db.scalars(select(User.id).where(User.username == username)).one()
    db.add(RoleAssignment(user_id=user_id, role=role, resource_type=resource_type, resource_id=resource_id))
    db.flush()


def _added(db: Session, row: Any) -> Any:
    db.add(row)
    db.flush()
    return row
