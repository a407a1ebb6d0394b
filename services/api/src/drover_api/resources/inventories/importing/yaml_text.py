"""YAML inventories, with the rules of Ansible's own `yaml` plug-in."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import yaml

from drover_api.resources.inventories.importing.parsed import Parsed, ParsedGroup, is_number, wrong
from drover_api.resources.inventories.importing.patterns import expand

MAX_NODES = 2_000_000  # aliases can multiply a small text
MAX_NESTING = 50
_KEYS = frozenset({"hosts", "vars", "children"})


class _Loader(yaml.CSafeLoader):
    """Safe, with Ansible's tags for vaulted and unsafe texts, kept in the form Ansible has in JSON."""


def _tagged(key: str) -> Any:
    def construct(loader: Any, node: yaml.Node) -> dict[str, Any]:
        return {key: loader.construct_scalar(node)}

    return construct


_Loader.add_constructor("!vault", _tagged("__ansible_vault"))
_Loader.add_constructor("!unsafe", _tagged("__ansible_unsafe"))


def parse_yaml(content: str) -> Parsed:
    """Raises InvalidError that says where in the text, or in which group, it is wrong."""
    try:
        _refuse_deep(content)
        document = yaml.load(content, _Loader)  # noqa: S506 - the loader is a safe one
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark else ""
        raise wrong(f"{place}{getattr(error, 'problem', None) or 'not YAML'}") from None
    if not isinstance(document, dict):
        raise wrong("must be a mapping of groups")
    document = _Plain().of(document, "content", 0)
    parsed = Parsed()
    for name, body in document.items():
        _group(parsed, name, body, name, 0)
    return parsed


def _refuse_deep(content: str) -> None:
    """Look at the events first: the loader itself recurses on the C stack, which deep text overflows."""
    depth = 0
    for event in yaml.parse(content, _Loader):
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
            if depth > MAX_NESTING * 2:  # a group in a group is two levels
                raise wrong("nested too deeply")
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1


class _Plain:
    """Makes JSON of what YAML gives, and counts it."""

    def __init__(self) -> None:
        self._nodes = 0

    def of(self, value: Any, where: str, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_NESTING:
            raise wrong(f"{where}: too much, or nested too deeply")
        if isinstance(value, dict):
            return {
                _key(key, where): self.of(item, f"{where}.{key}", depth + 1) for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.of(item, where, depth + 1) for item in value]
        return _scalar(value, where)


def _key(key: Any, where: str) -> str:
    if isinstance(key, (str, int)) and not isinstance(key, bool):
        return str(key)
    raise wrong(f"{where}: the key {key!r} is no text")


def _scalar(value: Any, where: str) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if value is None or isinstance(value, (str, bool)) or is_number(value):
        return value
    if isinstance(value, (int, float)):
        raise wrong(f"{where}: a number that is not finite, or too large")
    raise wrong(f"{where}: a {type(value).__name__} cannot be stored")


def _group(parsed: Parsed, name: str, body: Any, where: str, depth: int) -> None:
    if depth > MAX_NESTING:
        raise wrong(f"{where}: nested too deeply")
    group = parsed.group(name, where)
    content = _mapping(body, where)
    if unknown := content.keys() - _KEYS:
        raise wrong(f"{where}: has {min(unknown)}, but only hosts, vars and children are known")
    variables = parsed.variables if group is None else group.variables
    variables.update(_mapping(content.get("vars"), f"{where}.vars"))
    _hosts(parsed, group, content.get("hosts"), f"{where}.hosts")
    for child, inner in _mapping(content.get("children"), f"{where}.children").items():
        _group(parsed, child, inner, f"{where}.children.{child}", depth + 1)
        if group is not None:
            group.children[child] = None


def _hosts(parsed: Parsed, group: ParsedGroup | None, hosts: Any, where: str) -> None:
    if isinstance(hosts, str):
        hosts = {hosts: None}
    for pattern, variables in _mapping(hosts, where).items():
        names, port = expand(pattern, where)
        given = {
            **({} if port is None else {"ansible_port": port}),
            **_mapping(variables, f"{where}.{pattern}"),
        }
        for name in names:
            parsed.host(name, given, where)
            if group is not None:
                group.hosts[name] = None


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong(f"{where}: must be a mapping")
    return value
