"""The facts that jobs have kept of an inventory's hosts."""

from typing import Any

from drover_shared.db.models import Host, HostFacts
from drover_shared.domain.errors import NotFoundError
from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from drover_api.access.principal import Principal
from drover_api.access.require import require
from drover_api.access.roles import READ
from drover_api.http.pages import contains, paginate

_ORDERS = {"host": HostFacts.host, "gathered_at": HostFacts.gathered_at, "bytes": HostFacts.bytes}


def page(db: Session, principal: Principal, inventory_id: int, args: dict[str, Any]) -> dict[str, Any]:
    """Of which hosts facts are kept, without the facts."""
    require(db, principal, READ, "inventory", inventory_id)
    query = select(HostFacts).where(HostFacts.inventory_id == inventory_id).options(defer(HostFacts.facts))
    if part := args.get("name"):
        query = query.where(contains(HostFacts.host, part))
    return paginate(db, query, args, _ORDERS, "host")


def of_name(db: Session, principal: Principal, inventory_id: int, host: str) -> HostFacts:
    """Raises NotFoundError where none are kept."""
    require(db, principal, READ, "inventory", inventory_id)
    return _kept(db, inventory_id, host)


def of_host(db: Session, principal: Principal, inventory_id: int, host_id: int) -> HostFacts:
    """The same by the host's id."""
    require(db, principal, READ, "inventory", inventory_id)
    name = db.scalar(select(Host.name).where(Host.id == host_id, Host.inventory_id == inventory_id))
    if name is None:
        raise NotFoundError(f"host {host_id} does not exist or is not visible")
    return _kept(db, inventory_id, name)


def _kept(db: Session, inventory_id: int, host: str) -> HostFacts:
    found = db.get(HostFacts, (inventory_id, host))
    if found is None:
        raise NotFoundError(f"no facts of {host} are kept in inventory {inventory_id}")
    return found
