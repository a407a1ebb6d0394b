"""What Ansible sees of an inventory, and the snapshot of it that launches share.

The text is JSON, which is also YAML: typed variables survive, and Ansible reads it with its fast parser.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drover_shared.db.models import Group, GroupChild, GroupHost, Host, Inventory, InventorySnapshot
from drover_shared.domain.errors import NotFoundError
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

# Characters that JSON leaves as they are but a YAML reader refuses or folds.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


@dataclass(slots=True)
class Tree:
    """The groups of an inventory by name, with enabled hosts only."""

    variables: Mapping[str, Any]
    hosts: dict[str, Mapping[str, Any]]
    group_vars: dict[str, Mapping[str, Any]]
    members: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    children: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


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
    locked = select(Inventory.version).where(Inventory.id == inventory_id).with_for_update(read=True)
    version = session.scalar(locked)
    if version is None:
        raise NotFoundError(f"inventory {inventory_id} does not exist")
    tree = read_tree(session, inventory_id)
    manifest = {"mode": "inline", "content": render(tree), "path": None, "format": "yaml"}
    session.execute(
        insert(InventorySnapshot)
        .values(inventory_id=inventory_id, version=version, manifest=manifest, host_count=len(tree.hosts))
        .on_conflict_do_nothing(index_elements=["inventory_id", "version"])
    )
    return session.scalars(
        select(InventorySnapshot).where(
            InventorySnapshot.inventory_id == inventory_id, InventorySnapshot.version == version
        )
    ).one()


def bump(session: Session, inventory_id: int) -> None:
    """Say that what Ansible sees changes; called before the change, since it also locks the inventory."""
    session.execute(
        update(Inventory)
        .where(Inventory.id == inventory_id)
        .values(version=Inventory.version + 1, modified_at=func.now())
        .execution_options(synchronize_session=False)
    )


def read_tree(session: Session, inventory_id: int) -> Tree:
    """Everything of an inventory in five queries, whatever its size.

    Hosts and groups stand in the order they were made or imported: Ansible runs them in it, and `run_once`
    takes the first.
    """
    host_rows = session.execute(
        select(Host.id, Host.name, Host.variables)
        .where(Host.inventory_id == inventory_id, Host.enabled)
        .order_by(Host.id)
    ).all()
    group_rows = session.execute(
        select(Group.id, Group.name, Group.variables)
        .where(Group.inventory_id == inventory_id)
        .order_by(Group.id)
    ).all()
    host_names = {row.id: row.name for row in host_rows}
    group_names = {row.id: row.name for row in group_rows}
    tree = Tree(
        variables=session.scalar(select(Inventory.variables).where(Inventory.id == inventory_id)) or {},
        hosts={row.name: row.variables for row in host_rows},
        group_vars={row.name: row.variables for row in group_rows},
    )
    _read_links(session, inventory_id, tree, host_names, group_names)
    return tree


def _read_links(
    session: Session, inventory_id: int, tree: Tree, hosts: Mapping[int, str], groups: Mapping[int, str]
) -> None:
    in_inventory = Group.inventory_id == inventory_id
    members = select(GroupHost.group_id, GroupHost.host_id).join(Group, Group.id == GroupHost.group_id)
    for group_id, host_id in session.execute(members.where(in_inventory).order_by(GroupHost.host_id)):
        if host_id in hosts:
            tree.members[groups[group_id]].append(hosts[host_id])
    nested = select(GroupChild.parent_id, GroupChild.child_id).join(Group, Group.id == GroupChild.parent_id)
    for parent_id, child_id in session.execute(nested.where(in_inventory).order_by(GroupChild.child_id)):
        tree.children[groups[parent_id]].append(groups[child_id])


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
