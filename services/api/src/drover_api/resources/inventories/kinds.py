"""What the kinds of inventories have, and what may be asked of each.

`inventory` holds its hosts and groups here; `scm` is a file or folder of a project, which an executor reads;
`constructed` is others of kind `inventory`, merged, and of their hosts what a pattern leaves.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from drover_shared.db.models import Inventory
from drover_shared.domain.errors import ConflictError, FieldError, InvalidError
from sqlalchemy import select
from sqlalchemy.orm import Session

from drover_api.access.allowed import visible
from drover_api.access.principal import Principal
from drover_api.access.require import reference
from drover_api.resources.crud import NAMED_USERS, named
from drover_api.resources.inventories.constructed import pattern_fault

HELD, SCM, CONSTRUCTED = "inventory", "scm", "constructed"
KINDS = (HELD, SCM, CONSTRUCTED)
# The fields of each kind, and whether it needs them.
_FIELDS: Mapping[str, Mapping[str, bool]] = {
    HELD: {"variables": False},
    SCM: {"source_project_id": True, "source_path": True},
    CONSTRUCTED: {"variables": False, "input_inventory_ids": True, "host_filter": False},
}
_ALL = ("variables", "source_project_id", "source_path", "input_inventory_ids", "host_filter")


def check_kind(values: Mapping[str, Any], row: Inventory | None) -> None:
    """Raise InvalidError for fields that the kind does not have, or lacks, and for a change of kind."""
    errors = list(_faults(values, row))
    if errors:
        raise InvalidError(*errors)


def _faults(values: Mapping[str, Any], row: Inventory | None) -> Iterator[FieldError]:
    kind = values["kind"]
    if row is not None and row.kind != kind:
        yield FieldError("/kind", "Cannot be changed.")
    for name in _ALL:
        if values[name] and name not in _FIELDS[kind]:
            yield FieldError(f"/{name}", f"An inventory of kind {kind} has no such field.")
        elif not values[name] and _FIELDS[kind].get(name, False):
            yield FieldError(f"/{name}", f"An inventory of kind {kind} needs it.")
    path = values["source_path"]
    if path and (path.startswith("/") or ".." in PurePosixPath(path).parts):
        yield FieldError("/source_path", "Must be a path inside of the project.")
    if values["host_filter"] and (fault := pattern_fault(values["host_filter"])):
        yield FieldError("/host_filter", fault)


def check_inputs(db: Session, principal: Principal, wanted: Sequence[int], row: Inventory | None) -> None:
    """Inputs must be usable and hold their hosts here; one that was an input before is not judged again."""
    known = set(row.input_inventory_ids) if row is not None else set()
    for place, one in enumerate(wanted):
        pointer = f"/input_inventory_ids/{place}"
        if one in wanted[:place]:
            raise InvalidError(FieldError(pointer, "Is named twice."))
        if one in known:
            continue
        if reference(db, principal, "inventory", one, pointer).kind != HELD:
            raise InvalidError(FieldError(pointer, f"Must be an inventory of kind {HELD}."))


def refuse_if_input(db: Session, principal: Principal, inventory_id: int) -> None:
    """Raise ConflictError where constructed inventories are made of this one."""
    query = select(Inventory.id, Inventory.name, visible(Inventory, principal).label("seen")).where(
        Inventory.kind == CONSTRUCTED, Inventory.input_inventory_ids.contains([inventory_id])
    )
    if found := db.execute(query.order_by(Inventory.id).limit(NAMED_USERS)).all():
        raise ConflictError(f"inventory {inventory_id} is in use by {named(Inventory, found)}")


def require_held(inventory: Inventory) -> None:
    """Raise ConflictError for an inventory whose hosts are somewhere else."""
    if inventory.kind != HELD:
        where = "in its project" if inventory.kind == SCM else "in its input inventories"
        raise ConflictError(f"inventory {inventory.id} is of kind {inventory.kind}: its hosts are {where}")
