"""What Ansible sees of an inventory, and the snapshot of it that launches share.

The text is JSON, which is also YAML: typed variables survive, and Ansible reads it with its fast parser.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from drover_shared.db.models import Inventory, InventorySnapshot
from drover_shared.domain.errors import ConflictError, NotFoundError
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from drover_api.resources.inventories.constructed import filtered, merged
from drover_api.resources.inventories.kinds import CONSTRUCTED, SCM
from drover_api.resources.inventories.tree import Tree, read_tree

# Characters that JSON leaves as they are but a YAML reader refuses or folds.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def snapshot(session: Session, inventory_id: int) -> InventorySnapshot:
    """The snapshot of the inventory's current version, made where this is the first launch of it.

    Raises NotFoundError where there is no such inventory.
    """
    current = (
        select(InventorySnapshot)
        .join(Inventory, Inventory.id == InventorySnapshot.inventory_id)
        .where(Inventory.id == inventory_id, InventorySnapshot.version == Inventory.version)
    )
    return session.scalar(current) or _make_snapshot(session, inventory_id)


def _make_snapshot(session: Session, inventory_id: int) -> InventorySnapshot:
    """Render while the row is locked against `bump`, so that content and version belong together."""
    columns = (Inventory.version, Inventory.kind, Inventory.source_path, *_CONSTRUCTION)
    found = session.execute(
        select(*columns).where(Inventory.id == inventory_id).with_for_update(read=True)
    ).one_or_none()
    if found is None:
        raise NotFoundError(f"inventory {inventory_id} does not exist")
    manifest: dict[str, Any] = {"mode": "scm", "content": None, "path": found.source_path}
    host_count = 0
    if found.kind != SCM:
        tree = _tree(session, inventory_id, found)
        manifest = {"mode": "inline", "content": render(tree), "path": None, "format": "yaml"}
        host_count = len(tree.hosts)
    session.execute(
        insert(InventorySnapshot)
        .values(inventory_id=inventory_id, version=found.version, manifest=manifest, host_count=host_count)
        .on_conflict_do_nothing(index_elements=["inventory_id", "version"])
    )
    return session.scalars(
        select(InventorySnapshot).where(
            InventorySnapshot.inventory_id == inventory_id, InventorySnapshot.version == found.version
        )
    ).one()


_CONSTRUCTION = (Inventory.variables, Inventory.input_inventory_ids, Inventory.host_filter)


def seen_tree(session: Session, inventory_id: int) -> Tree:
    """What Ansible sees of an inventory, whether its hosts are its own or others'.

    Raises ConflictError for one in a project, which only an executor reads.
    """
    found = session.execute(select(Inventory.kind, *_CONSTRUCTION).where(Inventory.id == inventory_id)).one()
    if found.kind == SCM:
        raise ConflictError(f"inventory {inventory_id} is a file of its project: an executor reads it")
    return _tree(session, inventory_id, found)


def _tree(session: Session, inventory_id: int, found: Any) -> Tree:
    if found.kind != CONSTRUCTED:
        return read_tree(session, inventory_id)
    inputs = [read_tree(session, one) for one in found.input_inventory_ids]
    whole = merged([*inputs, Tree(found.variables, {}, {})])
    return filtered(whole, found.host_filter) if found.host_filter else whole


def bump(session: Session, inventory_id: int) -> None:
    """Say that what Ansible sees changes; called before the change, since it also locks the inventory.

    Inventories constructed from it change too; they are locked after it and in order, so nobody deadlocks.
    """
    _next_version(session, [inventory_id])
    made_of_it = select(Inventory.id).where(
        Inventory.kind == CONSTRUCTED, Inventory.input_inventory_ids.contains([inventory_id])
    )
    _next_version(session, session.scalars(made_of_it.order_by(Inventory.id).with_for_update()).all())


def _next_version(session: Session, inventory_ids: Sequence[int]) -> None:
    if inventory_ids:
        session.execute(
            update(Inventory)
            .where(Inventory.id.in_(inventory_ids))
            .values(version=Inventory.version + 1, modified_at=func.now())
            .execution_options(synchronize_session=False)
        )


def render(tree: Tree) -> str:
    """The tree as an inventory file's text; a group's content stands where it is named first."""
    nested = {child for names in tree.children.values() for child in names}
    seen: set[str] = set()
    top = {name: _group(tree, name, seen) for name in tree.group_vars if name not in nested}
    document: dict[str, Any] = {
        "all": {"hosts": {name: values or None for name, values in tree.hosts.items()}}
    }
    if tree.variables:
        document["all"]["vars"] = tree.variables
    if top:
        document["all"]["children"] = top
    text = json.dumps(document, ensure_ascii=False, indent=1)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"


def _group(tree: Tree, name: str, seen: set[str]) -> dict[str, Any] | None:
    if name in seen:
        return None
    seen.add(name)
    body: dict[str, Any] = {}
    if members := tree.members.get(name):
        body["hosts"] = dict.fromkeys(members)
    if children := tree.children.get(name):
        body["children"] = {child: _group(tree, child, seen) for child in children}
    if tree.group_vars[name]:
        body["vars"] = tree.group_vars[name]
    return body or None
