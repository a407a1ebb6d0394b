"""INI inventories, with the rules of Ansible's own `ini` plug-in."""

import ast
import re
import shlex
from typing import Any

from drover_api.resources.inventories.importing.parsed import Parsed, ParsedGroup, is_number, wrong
from drover_api.resources.inventories.importing.patterns import expand
from drover_api.resources.inventories.schemas import RESERVED_GROUPS

_SECTION = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:\#.*)?\Z")
_KINDS = (None, "vars", "children")
MAX_LITERAL_CHARS = 10_000  # Python's parser is for small values


def parse_ini(content: str) -> Parsed:
    """Raises InvalidError that names the line."""
    parsed = Parsed()
    defined: set[str] = set()
    pending: dict[str, str] = {}
    group, kind = "ungrouped", None
    for number, raw in enumerate(content.splitlines(), 1):
        line, where = raw.strip(), f"line {number}"
        if not line or line[0] in "#;":
            continue
        if found := _SECTION.match(line):
            group, kind = found[1], found[2]
            _begin(parsed, group, kind, where)
            if kind != "vars":
                defined.add(group)
            else:
                pending.setdefault(group, where)
        elif line.startswith("[") and line.endswith("]"):
            raise wrong(f"{where}: not a section: {line[:80]}")
        elif kind == "vars":
            _variable(parsed, group, line, where)
        elif kind == "children":
            pending.setdefault(_child(parsed, group, line, where), where)
        else:
            _hosts(parsed, group, line, where)
    for name, where in pending.items():
        if name not in defined and name not in RESERVED_GROUPS:
            raise wrong(f"{where}: there is no section for the group {name}")
    return parsed


def _begin(parsed: Parsed, group: str, kind: str | None, where: str) -> None:
    if kind not in _KINDS:
        raise wrong(f"{where}: a section is [group], [group:vars] or [group:children]")
    parsed.group(group, where)


def _variable(parsed: Parsed, group: str, line: str, where: str) -> None:
    name, separator, value = line.partition("=")
    if not separator or not name.strip():
        raise wrong(f"{where}: expected key=value")
    target = parsed.group(group, where)
    variables = parsed.variables if target is None else target.variables
    variables[name.strip()] = _value(value.strip())


def _child(parsed: Parsed, group: str, line: str, where: str) -> str:
    name = line.partition("#")[0].strip()
    target = parsed.group(group, where)
    if name in RESERVED_GROUPS or " " in name:
        raise wrong(f"{where}: {name} cannot be a child")
    parsed.group(name, where)
    if target is not None:
        target.children[name] = None
    return name


def _hosts(parsed: Parsed, group: str, line: str, where: str) -> None:
    try:
        pattern, *assignments = shlex.split(line, comments=True) or [""]
    except ValueError as error:
        raise wrong(f"{where}: {error}") from None
    names, port = expand(pattern, where)
    variables: dict[str, Any] = {} if port is None else {"ansible_port": port}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator or not name:
            raise wrong(f"{where}: expected key=value instead of {assignment[:80]}")
        variables[name] = _value(value)
    target: ParsedGroup | None = parsed.group(group, where)
    for name in names:
        parsed.host(name, variables, where)
        if target is not None:
            target.hosts[name] = None


def _value(text: str) -> Any:
    """A Python literal where it is one that JSON has too, else the text: `yes` and `010` are texts."""
    if len(text) > MAX_LITERAL_CHARS:
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
    return value if _is_json(value) else text


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or isinstance(value, (str, bool)) or is_number(value)
