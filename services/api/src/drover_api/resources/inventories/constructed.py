"""Constructed inventories: the hosts and groups of others, merged, and of those what a pattern leaves.

The pattern is Ansible's: names of groups and hosts, with `*` and `?`, separated by commas (or by colons where
it has no comma); `&` in front keeps only what is there too, `!` leaves it out.
"""

import re
from collections.abc import Iterable, Sequence
from fnmatch import translate

from drover_shared.domain.errors import ConflictError, InvalidError

from drover_api.resources.inventories.importing.parsed import refuse_cycles
from drover_api.resources.inventories.tree import Tree


def merged(trees: Sequence[Tree]) -> Tree:
    """One inventory of several, as Ansible merges its sources: of a variable in two, the later one's stays.

    Raises ConflictError where together they put a group inside of itself.
    """
    whole = Tree({}, {}, {})
    for tree in trees:
        whole.variables = {**whole.variables, **tree.variables}
        for name, variables in tree.hosts.items():
            whole.hosts[name] = {**whole.hosts.get(name, {}), **variables}
        for name, variables in tree.group_vars.items():
            whole.group_vars[name] = {**whole.group_vars.get(name, {}), **variables}
        for own, others in ((whole.members, tree.members), (whole.children, tree.children)):
            for name, names in others.items():
                own[name] = list(dict.fromkeys([*own[name], *names]))
    try:
        refuse_cycles({name: set(names) for name, names in whole.children.items()})
    except InvalidError as error:
        raise ConflictError(
            f"The input inventories nest groups in a circle: {error.errors[0].detail}"
        ) from None
    return whole


def filtered(tree: Tree, pattern: str) -> Tree:
    """`tree` with only the hosts that the pattern names; its groups stay, perhaps empty."""
    kept = matching(tree, pattern)
    return Tree(
        tree.variables,
        {name: variables for name, variables in tree.hosts.items() if name in kept},
        tree.group_vars,
        {name: [host for host in hosts if host in kept] for name, hosts in tree.members.items()},
        tree.children,
    )


def matching(tree: Tree, pattern: str) -> set[str]:
    """The hosts that a pattern names. As in Ansible, `&` and `!` come after all else, in any order."""
    terms = [term.strip() for term in re.split("," if "," in pattern else ":", pattern) if term.strip()]
    narrowing = [term for term in terms if term[0] in "&!"]
    plain = [term for term in terms if term[0] not in "&!"] or ["all"]
    found = {host for term in plain for host in _named(tree, term)}
    for term in sorted(narrowing, key=lambda term: "&!".index(term[0])):
        named = set(_named(tree, term[1:]))
        found = found & named if term[0] == "&" else found - named
    return found


def pattern_fault(pattern: str) -> str | None:
    """Why a pattern cannot be used, or None."""
    terms = re.split("," if "," in pattern else ":", pattern)
    if not any(term.strip() for term in terms):
        return "Must name a group or a host."
    if "[" in pattern or any(term.strip().lstrip("&!").startswith(("~", "@")) for term in terms):
        return "Regular expressions (~), files (@) and ranges ([…]) are not supported."
    if any(not term.strip().lstrip("&!").strip() for term in terms):
        return "A part of the pattern is empty."
    return None


def _named(tree: Tree, term: str) -> Iterable[str]:
    if term in ("all", "*"):
        return tree.hosts
    matches = re.compile(translate(term)).match
    groups = [name for name in (*tree.group_vars, "ungrouped") if matches(name)]
    hosts = [name for name in tree.hosts if matches(name)] if not groups or re.search(r"[*?]", term) else []
    return [*hosts, *(host for name in groups for host in tree.hosts_below(name))]
