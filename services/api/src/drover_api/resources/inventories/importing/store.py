"""A parsed inventory into the tables: a fixed number of statements, whatever its size."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from drover_shared.db.models import Group, GroupChild, GroupHost, Host, Inventory
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.activity import record
from drover_api.http.body import refuse_unstorable
from drover_api.resources.inventories.content import lock
from drover_api.resources.inventories.importing.ini import parse_ini
from drover_api.resources.inventories.importing.parsed import Parsed, refuse_cycles
from drover_api.resources.inventories.importing.yaml_text import parse_yaml
from drover_api.resources.inventories.render import bump

PARSERS = {"ini": parse_ini, "yaml": parse_yaml}


def import_text(
    db: Session, principal: Principal, inventory_id: int, command: dict[str, Any]
) -> dict[str, int]:
    """Merge a text into the inventory, or overwrite it; returns the counts of `ImportResultSchema`.

    Merging keeps what the text does not name; of a variable in both, the text's value stays.
    """
    inventory = lock(db, principal, inventory_id)
    parsed = PARSERS[command["format"]](command["content"])
    _check(parsed)
    bump(db, inventory_id)
    if command["overwrite"]:
        _forget_others(db, inventory_id, parsed)
    _store_variables(db, inventory_id, parsed, overwrite=command["overwrite"])
    hosts = _upsert(db, Host, inventory_id, parsed.hosts, overwrite=command["overwrite"])
    group_vars = {name: group.variables for name, group in parsed.groups.items()}
    groups = _upsert(db, Group, inventory_id, group_vars, overwrite=command["overwrite"])
    _link(db, inventory_id, parsed, hosts, groups)
    counts = {"hosts": len(parsed.hosts), "groups": len(parsed.groups)}
    record(
        db,
        principal,
        "import",
        "inventory",
        inventory_id,
        organization_id=inventory.organization_id,
        changes={name: [None, count] for name, count in counts.items()},
    )
    return counts | {"hosts_total": len(hosts), "groups_total": len(groups)}


def _check(parsed: Parsed) -> None:
    refuse_unstorable(parsed.variables, "/content")
    refuse_unstorable(parsed.hosts, "/content")
    refuse_unstorable({name: group.variables for name, group in parsed.groups.items()}, "/content")


def _forget_others(db: Session, inventory_id: int, parsed: Parsed) -> None:
    named_hosts, named_groups = list(parsed.hosts), list(parsed.groups)
    db.execute(delete(Host).where(Host.inventory_id == inventory_id, Host.name != func.all(named_hosts)))
    db.execute(delete(Group).where(Group.inventory_id == inventory_id, Group.name != func.all(named_groups)))
    own = select(Group.id).where(Group.inventory_id == inventory_id)
    db.execute(delete(GroupHost).where(GroupHost.group_id.in_(own)))
    db.execute(delete(GroupChild).where(GroupChild.parent_id.in_(own)))


def _store_variables(db: Session, inventory_id: int, parsed: Parsed, *, overwrite: bool) -> None:
    merged = parsed.variables if overwrite else Inventory.variables.op("||")(parsed.variables)
    statement = update(Inventory).where(Inventory.id == inventory_id).values(variables=merged)
    db.execute(statement.execution_options(synchronize_session=False))


def _upsert(
    db: Session, model: Any, inventory_id: int, rows: dict[str, dict[str, Any]], *, overwrite: bool
) -> dict[str, int]:
    """Make or change rows by name; returns the ids of all rows of the inventory by name."""
    statement = insert(model)
    new = statement.excluded.variables
    statement = statement.on_conflict_do_update(
        index_elements=["inventory_id", "name"],
        set_={
            "variables": new if overwrite else model.variables.op("||")(new),
            "modified_at": func.now(),
        },
    )
    if rows:
        values = [
            {"inventory_id": inventory_id, "name": name, "variables": variables}
            for name, variables in rows.items()
        ]
        db.execute(statement, values)
    found = db.execute(select(model.name, model.id).where(model.inventory_id == inventory_id))
    return dict(found.all())


def _link(
    db: Session, inventory_id: int, parsed: Parsed, hosts: dict[str, int], groups: dict[str, int]
) -> None:
    names = {row_id: name for name, row_id in groups.items()}
    nested: dict[str, set[str]] = defaultdict(set)
    own = select(Group.id).where(Group.inventory_id == inventory_id)
    for link in db.scalars(select(GroupChild).where(GroupChild.parent_id.in_(own))):
        nested[names[link.parent_id]].add(names[link.child_id])
    members: list[dict[str, int]] = []
    children: list[dict[str, int]] = []
    for name, group in parsed.groups.items():
        nested[name].update(group.children)
        members += [{"group_id": groups[name], "host_id": hosts[host]} for host in group.hosts]
        children += [{"parent_id": groups[name], "child_id": groups[child]} for child in group.children]
    refuse_cycles(nested)
    _insert_new(db, GroupHost, members)
    _insert_new(db, GroupChild, children)


def _insert_new(db: Session, model: Any, rows: Sequence[dict[str, int]]) -> None:
    if rows:
        db.execute(insert(model).on_conflict_do_nothing(), rows)
