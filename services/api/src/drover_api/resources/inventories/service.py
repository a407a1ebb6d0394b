"""Inventories themselves."""

from typing import Any

from drover_shared.db.models import Inventory, JobTemplate
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.require import require
from drover_api.access.roles import READ, USE
from drover_api.resources.crud import Resource, Values
from drover_api.resources.inventories.kinds import check_inputs, check_kind, refuse_if_input
from drover_api.resources.inventories.render import bump, render, seen_tree
from drover_api.resources.inventories.schemas import (
    EXAMPLE,
    InventoryBodySchema,
    InventoryQuery,
    InventorySchema,
)

SEEN_BY_ANSIBLE = ("variables", "source_project_id", "source_path", "input_inventory_ids", "host_filter")


class Inventories(Resource):
    """Hosts and groups go with their inventory; jobs keep the snapshot they were launched with."""

    model = Inventory
    kind = "inventory"
    out = InventorySchema
    body = InventoryBodySchema
    query = InventoryQuery
    example = EXAMPLE
    used_by = ((JobTemplate, "inventory_id"),)

    references = {"source_project_id": ("project", USE)}  # noqa: RUF012 - a constant of the class

    def check(self, db: Session, principal: Principal, values: Values, row: Any | None) -> None:
        check_kind(values, row)
        check_inputs(db, principal, values["input_inventory_ids"], row)
        if row is not None and any(getattr(row, name) != values[name] for name in SEEN_BY_ANSIBLE):
            bump(db, row.id)

    def before_delete(self, db: Session, principal: Principal, row: Any) -> None:
        refuse_if_input(db, principal, row.id)


def script(db: Session, principal: Principal, inventory_id: int) -> str:
    """The inventory as Ansible sees it, in YAML. Raises ConflictError for one in a project."""
    require(db, principal, READ, "inventory", inventory_id)
    return render(seen_tree(db, inventory_id))
