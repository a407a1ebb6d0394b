"""Who may do what, and who did what."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    UniqueConstraint,
    false,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from drover_shared.db.models.base import Base, IntPk, JsonObject, Stamped


class Organization(Stamped, Base):
    """Owns everything else."""

    __tablename__ = "organizations"
    id: Mapped[IntPk]
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str] = mapped_column(server_default="")
    # The default of its templates; `use_alter` because environments refer to organizations too.
    execution_environment_id: Mapped[int | None] = mapped_column(
        ForeignKey(
            "execution_environments.id",
            name="fk_organizations_execution_environment_id",
            use_alter=True,
        ),
        index=True,
    )


class User(Stamped, Base):
    """Specification 2.1; `password_hash` is argon2id."""

    __tablename__ = "users"
    id: Mapped[IntPk]
    username: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str] = mapped_column(server_default="")
    first_name: Mapped[str] = mapped_column(server_default="")
    last_name: Mapped[str] = mapped_column(server_default="")
    password_hash: Mapped[str | None]
    is_superuser: Mapped[bool] = mapped_column(server_default=false())
    is_system_auditor: Mapped[bool] = mapped_column(server_default=false())
    is_active: Mapped[bool] = mapped_column(server_default=true())


class Team(Stamped, Base):
    """A set of users that roles are granted to."""

    __tablename__ = "teams"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)
    id: Mapped[IntPk]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    organization_id: Mapped[int] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))


class TeamMember(Base):
    """A user in a team."""

    __tablename__ = "team_members"
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class RoleAssignment(Base):
    """A role on one resource, for a user or a team (exactly one of the two)."""

    __tablename__ = "role_assignments"
    __table_args__ = (
        CheckConstraint("(user_id IS NULL) <> (team_id IS NULL)", name="one_principal"),
        Index("uq_role_user", "user_id", "resource_type", "resource_id", "role", unique=True),
        Index("uq_role_team", "team_id", "resource_type", "resource_id", "role", unique=True),
        Index("ix_role_assignments_resource", "resource_type", "resource_id"),
    )
    id: Mapped[IntPk]
    role: Mapped[str]
    resource_type: Mapped[str]
    resource_id: Mapped[int]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Token(Base):
    """A personal access token; only its SHA-256 is kept."""

    __tablename__ = "tokens"
    id: Mapped[IntPk]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    description: Mapped[str] = mapped_column(server_default="")
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scope: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class BrowserSession(Base):
    """A browser that has logged in; only the SHA-256 of its cookie is kept."""

    __tablename__ = "browser_sessions"
    id: Mapped[IntPk]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)


class IdempotencyKey(Base):
    """The first response to a launch-like POST; replayed for 24 hours."""

    __tablename__ = "idempotency_keys"
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int]
    headers: Mapped[JsonObject]
    response: Mapped[Any] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class Activity(Base):
    """Who changed what; `changes` is {field: [old, new]} with secrets masked."""

    __tablename__ = "activity"
    __table_args__ = (Index("ix_activity_resource", "resource_type", "resource_id", text("id DESC")),)
    id: Mapped[IntPk]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    actor: Mapped[str] = mapped_column(server_default="")
    action: Mapped[str]
    resource_type: Mapped[str]
    resource_id: Mapped[int | None]
    organization_id: Mapped[int | None]
    changes: Mapped[JsonObject]
    request_id: Mapped[str | None]
