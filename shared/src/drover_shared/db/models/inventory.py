"""Inventories: hosts, nested groups, variables, and the text a launch froze."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, UniqueConstraint, func, text, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from drover_shared.db.models.base import Base, BigInts, IntPk, JsonObject, Stamped


class Inventory(Stamped, Base):
    """Specification 2.2. `version` grows with every change of what Ansible would see."""

    __tablename__ = "inventories"
    __table_args__ = (
        UniqueConstraint("organization_id", "name"),
        CheckConstraint("kind IN ('inventory', 'scm', 'constructed')", name="kind"),
        Index("ix_inventories_constructed", "id", postgresql_where=text("kind = 'constructed'")),
    )
    id: Mapped[IntPk]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    organization_id: Mapped[int] = mapped_column(ForeignKey("organizations.id"))
    kind: Mapped[str] = mapped_column(server_default="inventory")
    variables: Mapped[JsonObject]
    source_project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id"), index=True)
    source_path: Mapped[str | None]
    input_inventory_ids: Mapped[BigInts]
    host_filter: Mapped[str | None]  # of a constructed one: a host pattern as of `ansible --limit`
    version: Mapped[int] = mapped_column(server_default="1")
    max_simultaneous: Mapped[int] = mapped_column(Integer, server_default="0")  # jobs at work; 0: no limit


class Host(Stamped, Base):
    """One host; a disabled one is left out of what Ansible sees."""

    __tablename__ = "hosts"
    __table_args__ = (UniqueConstraint("inventory_id", "name"),)
    id: Mapped[IntPk]
    inventory_id: Mapped[int] = mapped_column(ForeignKey("inventories.id", ondelete="CASCADE"))
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    enabled: Mapped[bool] = mapped_column(server_default=true())
    variables: Mapped[JsonObject]


class Group(Stamped, Base):
    """A named set of hosts and of other groups."""

    __tablename__ = "groups"
    __table_args__ = (UniqueConstraint("inventory_id", "name"),)
    id: Mapped[IntPk]
    inventory_id: Mapped[int] = mapped_column(ForeignKey("inventories.id", ondelete="CASCADE"))
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    variables: Mapped[JsonObject]


class GroupHost(Base):
    """A host in a group."""

    __tablename__ = "group_hosts"
    group_id: Mapped[int] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    host_id: Mapped[int] = mapped_column(
        ForeignKey("hosts.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class GroupChild(Base):
    """A group in a group."""

    __tablename__ = "group_children"
    parent_id: Mapped[int] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    child_id: Mapped[int] = mapped_column(
        ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class HostFacts(Base):
    """What a job gathered of a host, for later jobs of the same inventory.

    By name, for the hosts of an `scm` inventory are nowhere else. Triggers of `hosts` remove those of a host
    that is deleted or renamed.
    """

    __tablename__ = "host_facts"
    inventory_id: Mapped[int] = mapped_column(
        ForeignKey("inventories.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    host: Mapped[str] = mapped_column(primary_key=True)
    facts: Mapped[JsonObject]
    bytes: Mapped[int] = mapped_column(Integer)  # as JSON
    job_id: Mapped[int]  # no reference: they outlive their job
    gathered_at: Mapped[datetime] = mapped_column(server_default=func.now())


class InventorySnapshot(Base):
    """What a launch froze, shared by all launches of the same version: {mode, content, path, …} of 7.1."""

    __tablename__ = "inventory_snapshots"
    __table_args__ = (UniqueConstraint("inventory_id", "version"),)
    id: Mapped[IntPk]
    inventory_id: Mapped[int]  # no reference: a job outlives the inventory it used
    version: Mapped[int]
    manifest: Mapped[Any] = mapped_column(JSONB)
    host_count: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
