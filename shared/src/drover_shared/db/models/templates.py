"""What a launch needs: projects, credentials, job templates."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from drover_shared.db.models.base import Base, IntPk, JsonObject, Stamped, Texts


class CredentialType(Stamped, Base):
    """`namespace` is what the manifest calls its type; `inputs` and `injectors` as in completion.md."""

    __tablename__ = "credential_types"
    id: Mapped[IntPk]
    name: Mapped[str] = mapped_column(unique=True)
    namespace: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str] = mapped_column(server_default="")
    managed: Mapped[bool] = mapped_column(server_default=false())
    inputs: Mapped[JsonObject]
    injectors: Mapped[JsonObject]


class Credential(Stamped, Base):
    """Public fields in `inputs`; the secret ones as one MultiFernet token, made with key `key_id`."""

    __tablename__ = "credentials"
    __table_args__ = (
        UniqueConstraint("organization_id", "credential_type_id", "name", postgresql_nulls_not_distinct=True),
    )
    id: Mapped[IntPk]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organizations.id"))
    credential_type_id: Mapped[int] = mapped_column(ForeignKey("credential_types.id"), index=True)
    inputs: Mapped[JsonObject]
    secrets: Mapped[bytes | None] = mapped_column(LargeBinary)
    secret_names: Mapped[Texts]
    asked_names: Mapped[Texts]  # secrets that each launch gives
    key_id: Mapped[str | None]


class CredentialSnapshot(Base):
    """A credential as launches froze it, shared by all launches of the same version of it and of its type.

    It goes with its credential, and once it is an old version that no live job uses.
    """

    __tablename__ = "credential_snapshots"
    __table_args__ = (
        UniqueConstraint(
            "credential_id",
            "credential_modified_at",
            "type_modified_at",
            name="uq_credential_snapshots_version",
        ),
    )
    id: Mapped[IntPk]
    credential_id: Mapped[int] = mapped_column(ForeignKey("credentials.id", ondelete="CASCADE"))
    credential_modified_at: Mapped[datetime]
    type_modified_at: Mapped[datetime]
    name: Mapped[str]
    namespace: Mapped[str]
    inputs: Mapped[JsonObject]
    injectors: Mapped[JsonObject]
    secrets: Mapped[bytes | None] = mapped_column(LargeBinary)
    asked_names: Mapped[Texts]
    key_id: Mapped[str | None]


class Project(Stamped, Base):
    """A repository of playbooks."""

    __tablename__ = "projects"
    __table_args__ = (
        UniqueConstraint("organization_id", "name"),
        CheckConstraint("scm_type IN ('git', 'local')", name="scm_type"),
    )
    id: Mapped[IntPk]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    organization_id: Mapped[int] = mapped_column(ForeignKey("organizations.id"))
    scm_type: Mapped[str] = mapped_column(server_default="git")
    scm_url: Mapped[str] = mapped_column(server_default="")
    scm_branch: Mapped[str] = mapped_column(server_default="")
    credential_id: Mapped[int | None] = mapped_column(ForeignKey("credentials.id"), index=True)
    scm_submodules: Mapped[bool] = mapped_column(server_default=false())
    scm_clean: Mapped[bool] = mapped_column(server_default=true())
    update_on_launch: Mapped[bool] = mapped_column(server_default=false())
    cache_timeout_seconds: Mapped[int] = mapped_column(Integer, server_default="0")
    execution_environment_id: Mapped[int | None] = mapped_column(
        ForeignKey("execution_environments.id"), index=True
    )
    executor_pool: Mapped[str] = mapped_column(server_default="default")  # whose executors sync it
    # What the last sync found, and when it began to look.
    scm_revision: Mapped[str | None]
    synced_at: Mapped[datetime | None]


class ProjectContent(Base):
    """The playbooks that the last sync of a project found; `truncated` where there were more."""

    __tablename__ = "project_contents"
    project_id: Mapped[int] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    playbooks: Mapped[Texts]
    truncated: Mapped[bool] = mapped_column(server_default=false())


class JobTemplate(Stamped, Base):
    """Specification 2.3 and completion.md section 2."""

    __tablename__ = "job_templates"
    __table_args__ = (
        UniqueConstraint("organization_id", "name"),
        CheckConstraint("job_type IN ('run', 'check')", name="job_type"),
        CheckConstraint("verbosity BETWEEN 0 AND 5", name="verbosity"),
    )
    id: Mapped[IntPk]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    organization_id: Mapped[int] = mapped_column(ForeignKey("organizations.id"))
    inventory_id: Mapped[int | None] = mapped_column(ForeignKey("inventories.id"), index=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), index=True)
    playbook: Mapped[str]
    execution_environment_id: Mapped[int | None] = mapped_column(
        ForeignKey("execution_environments.id"), index=True
    )
    extra_vars: Mapped[JsonObject]
    job_type: Mapped[str] = mapped_column(server_default="run")
    forks: Mapped[int] = mapped_column(Integer, server_default="5")
    limit: Mapped[str | None]
    tags: Mapped[Texts]
    skip_tags: Mapped[Texts]
    start_at_task: Mapped[str | None]
    verbosity: Mapped[int] = mapped_column(Integer, server_default="0")
    timeout_seconds: Mapped[int] = mapped_column(Integer, server_default="0")  # 0: no limit, here and below
    waiting_timeout_seconds: Mapped[int] = mapped_column(Integer, server_default="0")
    start_timeout_seconds: Mapped[int] = mapped_column(Integer, server_default="3600")
    diff_mode: Mapped[bool] = mapped_column(server_default=false())
    become_enabled: Mapped[bool] = mapped_column(server_default=false())
    use_fact_cache: Mapped[bool] = mapped_column(server_default=false())
    fact_cache_timeout_seconds: Mapped[int] = mapped_column(Integer, server_default="0")  # 0: never too old
    ask: Mapped[Texts]  # the names of the fields with ask_<name>_on_launch
    survey: Mapped[Any | None] = mapped_column(JSONB)
    allow_simultaneous: Mapped[bool] = mapped_column(server_default=false())
    max_simultaneous: Mapped[int] = mapped_column(Integer, server_default="0")
    max_attempts: Mapped[int] = mapped_column(Integer, server_default="3")
    retry_on: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{lost}")
    retry_hosts: Mapped[str] = mapped_column(server_default="all")
    retry_wait_seconds: Mapped[int] = mapped_column(Integer, server_default="10")
    executor_pool: Mapped[str] = mapped_column(server_default="default")
    priority: Mapped[int] = mapped_column(Integer, server_default="0")
    slice_count: Mapped[int] = mapped_column(Integer, server_default="1")


class JobTemplateCredential(Base):
    """A credential of a template, in the order given."""

    __tablename__ = "job_template_credentials"
    job_template_id: Mapped[int] = mapped_column(
        ForeignKey("job_templates.id", ondelete="CASCADE"), primary_key=True
    )
    credential_id: Mapped[int] = mapped_column(ForeignKey("credentials.id"), primary_key=True, index=True)
    position: Mapped[int] = mapped_column(Integer, server_default=text("0"))
