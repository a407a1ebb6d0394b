"""Inventories themselves."""

from typing import Any

from drover_shared.db.models import Inventory, JobTemplate
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.require import require
from drover_api.access.roles import READ
from drover_api.resources.crud import Resource, Values
from drover_api.resources.inventories.render import bump, read_tree, render
from drover_api.resources.inventories.schemas import (
    EXAMPLE,
    InventoryBodySchema,
    InventoryQuery,
    InventorySchema,
)


class Inventories(Resource):
    """Hosts and groups go with their inventory; jobs keep the snapshot they were launched with."""

    model = Inventory
    kind = "inventory"
    out = InventorySchema
    body = InventoryBodySchema
    query = InventoryQuery
    example = EXAMPLE
    used_by = ((JobTemplate, "inventory_id"),)

    def check(self, db: Session, principal: Principal, values: Values, row: Any | None) -> None:
        del principal
        if row is not None and row.variables != values["variables"]:
            bump(db, row.id)


def script(db: Session, principal: Principal, inventory_id: int) -> str:
    """The inventory as Ansible sees it, in YAML."""
    require(db, principal, READ, "inventory", inventory_id)
    return render(read_tree(db, inventory_id))
