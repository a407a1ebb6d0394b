"""An inventory's groups, hosts and variables as Ansible sees them, read from the tables."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from drover_shared.db.models import Group, GroupChild, GroupHost, Host, Inventory
from sqlalchemy import select
from sqlalchemy.orm import Session


def _lists() -> dict[str, list[str]]:
    return defaultdict(list)


@dataclass(slots=True)
class Tree:
    """The groups of an inventory by name, with enabled hosts only."""

    variables: Mapping[str, Any]
    hosts: dict[str, Mapping[str, Any]]
    group_vars: dict[str, Mapping[str, Any]]
    members: dict[str, list[str]] = field(default_factory=_lists)
    children: dict[str, list[str]] = field(default_factory=_lists)

    def hosts_below(self, group: str) -> Iterator[str]:
        """The hosts of a group and of all groups inside of it; some perhaps more than once."""
        if group == "ungrouped":
            grouped = {host for hosts in self.members.values() for host in hosts}
            yield from (host for host in self.hosts if host not in grouped)
            return
        waiting, seen = [group], {group}
        while waiting:
            name = waiting.pop()
            yield from self.members.get(name, ())
            inner = [child for child in self.children.get(name, ()) if child not in seen]
            seen.update(inner)
            waiting += inner


def read_tree(session: Session, inventory_id: int) -> Tree:
    """Everything that an inventory holds in five queries, whatever its size.

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
