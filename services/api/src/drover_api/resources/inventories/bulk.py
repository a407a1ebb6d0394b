"""Thousands of hosts in one request, in a fixed number of statements."""

from collections.abc import Sequence

from drover_shared.db.models import Group, GroupHost, Host
from drover_shared.domain.errors import ConflictError, FieldError, InvalidError
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.activity import record
from drover_api.resources.crud import Values
from drover_api.resources.inventories.content import lock
from drover_api.resources.inventories.render import bump


def add_hosts(db: Session, principal: Principal, inventory_id: int, hosts: Sequence[Values]) -> int:
    """Make many hosts in one go; their groups must exist. Returns how many: all of them, or it raises."""
    inventory = lock(db, principal, inventory_id)
    groups = _known_groups(db, inventory_id, hosts)
    _refuse_existing(db, inventory_id, hosts)
    bump(db, inventory_id)
    rows = [
        {"inventory_id": inventory_id, **{name: value for name, value in host.items() if name != "groups"}}
        for host in hosts
    ]
    made = db.execute(insert(Host).returning(Host.id, Host.name), rows).all()
    ids = {row.name: row.id for row in made}
    members = [
        {"group_id": groups[group], "host_id": ids[host["name"]]}
        for host in hosts
        for group in dict.fromkeys(host["groups"])
    ]
    if members:
        db.execute(insert(GroupHost), members)
    changes = {"hosts": [None, len(rows)]}
    organization_id = inventory.organization_id
    record(
        db,
        principal,
        "update",
        "inventory",
        inventory_id,
        organization_id=organization_id,
        changes=changes,
    )
    return len(rows)


def _known_groups(db: Session, inventory_id: int, hosts: Sequence[Values]) -> dict[str, int]:
    rows = db.execute(select(Group.name, Group.id).where(Group.inventory_id == inventory_id))
    groups = dict(rows.all())
    unknown = [
        FieldError(f"/hosts/{place}/groups", f"There is no group {name}.")
        for place, host in enumerate(hosts)
        for name in host["groups"]
        if name not in groups
    ]
    if unknown:
        raise InvalidError(*unknown)
    return groups


def _refuse_existing(db: Session, inventory_id: int, hosts: Sequence[Values]) -> None:
    names = [host["name"] for host in hosts]
    first = {name: place for place, name in reversed(list(enumerate(names)))}
    if len(first) < len(names):
        twice = next(place for place, name in enumerate(names) if first[name] != place)
        raise InvalidError(FieldError(f"/hosts/{twice}/name", "Is given twice."))
    taken = select(Host.name).where(Host.inventory_id == inventory_id, Host.name.in_(names))
    if found := db.scalars(taken.order_by(Host.name).limit(3)).all():
        raise ConflictError(f"inventory {inventory_id} has these hosts already: {', '.join(found)}")
