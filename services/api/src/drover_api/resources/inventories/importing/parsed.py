"""What both formats are parsed into."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from drover_shared.domain.errors import FieldError, InvalidError

from drover_api.resources.inventories.schemas import RESERVED_GROUPS, group_name_fault, host_name_fault

MAX_HOSTS = 100_000  # a range may name millions
MAX_INTEGER_BITS = 4096  # Python writes no integer of more than 4300 digits


@dataclass(slots=True)
class ParsedGroup:
    """`hosts` and `children` are names in the order of the text."""

    variables: dict[str, Any] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Parsed:
    """`variables` are those of the group `all`."""

    variables: dict[str, Any] = field(default_factory=dict)
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, ParsedGroup] = field(default_factory=dict)

    def group(self, name: str, where: str) -> ParsedGroup | None:
        """The group, made where it is new; None for `all` and `ungrouped`, which are no rows."""
        if name in RESERVED_GROUPS:
            return None
        if name not in self.groups:
            if fault := group_name_fault(name):
                raise wrong(f"{where}: group {name}: {fault}")
            self.groups[name] = ParsedGroup()
        return self.groups[name]

    def host(self, name: str, variables: dict[str, Any], where: str) -> None:
        """Make the host, or give it more variables."""
        if name not in self.hosts:
            if fault := host_name_fault(name):
                raise wrong(f"{where}: host {name}: {fault}")
            if len(self.hosts) >= MAX_HOSTS:
                raise wrong(f"{where}: more than {MAX_HOSTS} hosts")
        self.hosts.setdefault(name, {}).update(variables)


def is_number(value: object) -> bool:
    """Whether `value` is a number that JSON and PostgreSQL's numeric both take."""
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, int) and value.bit_length() <= MAX_INTEGER_BITS


def wrong(detail: str) -> InvalidError:
    """The text cannot be imported, for this reason."""
    return InvalidError(FieldError("/content", detail))


def refuse_cycles(children: dict[str, set[str]]) -> None:
    """Raise InvalidError where a group is, over any number of steps, inside of itself."""
    done: set[str] = set()
    for start in children:
        path: list[str] = []
        stack: list[Iterator[str]] = [iter((start,))]
        while stack:
            name = next(stack[-1], None)
            if name is None:
                stack.pop()
                if path:
                    done.add(path.pop())
            elif name in path:
                raise wrong(f"group {name} is inside of itself")
            elif name not in done:
                path.append(name)
                stack.append(iter(children.get(name, ())))
