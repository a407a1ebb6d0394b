"""Hosts and groups of one inventory.

Whoever changes them needs `update` on the inventory and first locks its row, so that writers of one
inventory take turns and a snapshot's content belongs to its version.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drover_shared.db.models import Group, GroupChild, GroupHost, Host
from drover_shared.domain.errors import ConflictError, NotFoundError
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.require import require
from drover_api.access.roles import READ, UPDATE
from drover_api.activity import record
from drover_api.resources.crud import Resource, Values
from drover_api.resources.inventories.kinds import require_held
from drover_api.resources.inventories.render import bump
from drover_api.resources.inventories.schemas import (
    GroupBodySchema,
    GroupQuery,
    GroupSchema,
    HostBodySchema,
    HostQuery,
    HostSchema,
)


def lock(db: Session, principal: Principal, inventory_id: int) -> Any:
    """The inventory, locked for a change of its content: 404, or 403, where it may not be changed.

    Raises ConflictError where it holds no content of its own.
    """
    inventory = require(db, principal, UPDATE, "inventory", inventory_id, lock=True)
    require_held(inventory)
    return inventory


class Content(Resource):
    """What hosts and groups have in common; an instance serves one inventory."""

    change_permission = UPDATE
    seen_by_ansible: Sequence[str] = ("name", "variables")

    def __init__(self, inventory_id: int) -> None:
        self.inventory_id = inventory_id

    def scope(self) -> Sequence[ColumnElement[bool]]:
        return [self.model.inventory_id == self.inventory_id]

    def page(self, db: Session, principal: Principal, args: Values) -> Values:
        require(db, principal, READ, "inventory", self.inventory_id)
        return super().page(db, principal, args)

    def create(self, db: Session, principal: Principal, body: Any) -> Any:
        lock(db, principal, self.inventory_id)
        return super().create(db, principal, body)

    def change(self, db: Session, principal: Principal, row_id: int, patch: Any) -> Any:
        lock(db, principal, self.inventory_id)
        return super().change(db, principal, row_id, patch)

    def delete(self, db: Session, principal: Principal, row_id: int) -> None:
        lock(db, principal, self.inventory_id)
        super().delete(db, principal, row_id)

    def may_create(self, db: Session, principal: Principal, values: Values) -> None:
        """`create` has asked for `update` on the inventory."""

    def check(self, db: Session, principal: Principal, values: Values, row: Any | None) -> None:
        del principal
        if row is None or any(getattr(row, name) != values[name] for name in self.seen_by_ansible):
            bump(db, self.inventory_id)

    def columns(self, db: Session, values: Values, row: Any | None) -> Values:
        del db, row
        return {**values, "inventory_id": self.inventory_id}

    def before_delete(self, db: Session, principal: Principal, row: Any) -> None:
        del principal, row
        bump(db, self.inventory_id)


class Hosts(Content):
    model = Host
    kind = "host"
    out = HostSchema
    body = HostBodySchema
    query = HostQuery
    seen_by_ansible = ("name", "enabled", "variables")

    def filters(self) -> Mapping[str, Callable[[Any], ColumnElement[bool]]]:
        member = select(GroupHost.host_id)
        return {"group_id": lambda group_id: Host.id.in_(member.where(GroupHost.group_id == group_id))}


class Groups(Content):
    model = Group
    kind = "group"
    out = GroupSchema
    body = GroupBodySchema
    query = GroupQuery

    def filters(self) -> Mapping[str, Callable[[Any], ColumnElement[bool]]]:
        child, of_host = select(GroupChild.child_id), select(GroupHost.group_id)
        return {
            "parent_id": lambda parent: Group.id.in_(child.where(GroupChild.parent_id == parent)),
            "host_id": lambda host: Group.id.in_(of_host.where(GroupHost.host_id == host)),
        }


def link(db: Session, principal: Principal, inventory_id: int, group_id: int, **member: int) -> None:
    """Put `host_id` or `child_id` into the group; idempotent. ConflictError for a group inside of itself."""
    table, values = _membership(db, principal, inventory_id, group_id, member)
    if table is GroupChild:
        _refuse_cycle(db, group_id, member["child_id"])
    added = insert(table).values(**values).on_conflict_do_nothing().returning(*table.__table__.primary_key)
    if db.execute(added).first():
        _changed(db, principal, inventory_id, group_id, {name: [None, one] for name, one in member.items()})


def unlink(db: Session, principal: Principal, inventory_id: int, group_id: int, **member: int) -> None:
    """Take `host_id` or `child_id` out of the group; idempotent."""
    table, values = _membership(db, principal, inventory_id, group_id, member)
    conditions = [getattr(table, name) == value for name, value in values.items()]
    if db.execute(delete(table).where(*conditions).returning(*table.__table__.primary_key)).first():
        _changed(db, principal, inventory_id, group_id, {name: [one, None] for name, one in member.items()})


def _membership(
    db: Session, principal: Principal, inventory_id: int, group_id: int, member: Mapping[str, int]
) -> tuple[Any, Values]:
    lock(db, principal, inventory_id)
    _exists(db, Group, inventory_id, group_id)
    if "host_id" in member:
        _exists(db, Host, inventory_id, member["host_id"])
        return GroupHost, {"group_id": group_id, **member}
    _exists(db, Group, inventory_id, member["child_id"])
    return GroupChild, {"parent_id": group_id, **member}


def _exists(db: Session, model: Any, inventory_id: int, row_id: int) -> None:
    found = select(model.id).where(model.id == row_id, model.inventory_id == inventory_id)
    if db.scalar(found) is None:
        raise NotFoundError(f"inventory {inventory_id} has no {model.__name__.lower()} {row_id}")


def _refuse_cycle(db: Session, parent_id: int, child_id: int) -> None:
    """Walk up from the parent in the database: meeting the child there would close a circle."""
    above = select(GroupChild.parent_id).where(GroupChild.child_id == parent_id).cte(recursive=True)
    above = above.union(select(GroupChild.parent_id).join(above, GroupChild.child_id == above.c.parent_id))
    found = select(above.c.parent_id).where(above.c.parent_id == child_id)
    if parent_id == child_id or db.scalars(found).first() is not None:
        raise ConflictError(f"group {parent_id} is inside of group {child_id}")


def _changed(
    db: Session, principal: Principal, inventory_id: int, group_id: int, changes: Mapping[str, Any]
) -> None:
    bump(db, inventory_id)
    record(db, principal, "update", "group", group_id, changes=changes)
