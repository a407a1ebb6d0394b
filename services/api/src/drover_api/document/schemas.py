"""Schemas as JSON Schema understands them, whatever wrote them."""

from collections.abc import Iterable, Iterator
from typing import Any

from drover_api.document.operations import Document, Operation

_PREFIX = "#/components/schemas/"


def portable_patterns(document: Document) -> None:
    """Python's patterns, which match from the start, as ECMA 262's, which search."""
    for node in _nodes(document["components"]):
        pattern = node.get("pattern")
        if isinstance(pattern, str) and not pattern.startswith("^"):
            node["pattern"] = f"^(?:{_ended(pattern)})"


def _ended(pattern: str) -> str:
    return pattern.replace(r"\Z", "$")


def require_in_answers(document: Document, found: Iterable[Operation]) -> None:
    """An answer has all of its fields, and a later release may add some: clients must not refuse them."""
    known = document["components"]["schemas"]
    asked = _closure(known, (media for one in found for media in one.media.values()))
    answered = _closure(known, (one.body["responses"] for one in found))
    for name in sorted(answered - asked):
        schema = known[name]
        if "properties" in schema and name not in ("Problem", "FieldError"):
            schema["required"] = list(schema["properties"])
        schema.pop("additionalProperties", None)


def _closure(known: Document, roots: Iterable[Any]) -> set[str]:
    """The names of the schemas that `roots` refer to, over any number of steps."""
    names: set[str] = set()
    waiting = list(roots)
    while waiting:
        for node in _nodes(waiting.pop()):
            name = str(node.get("$ref", "")).removeprefix(_PREFIX)
            if name in known and name not in names:
                names.add(name)
                waiting.append(known[name])
    return names


def _nodes(value: Any) -> Iterator[Document]:
    """Every object inside of `value`, itself included."""
    if isinstance(value, dict):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield from _nodes(item)
