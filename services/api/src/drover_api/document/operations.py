"""A document's operations, as the parts of this package look at them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; `body` is its object in the document, `shared` its path's parameters."""

    path: str
    method: str
    body: Document
    shared: Sequence[Document]

    @property
    def is_internal(self) -> bool:
        return self.path.startswith("/internal/")

    @property
    def media(self) -> dict[str, Document]:
        """The request's media types."""
        found: dict[str, Document] = self.body.get("requestBody", {}).get("content", {})
        return found

    def has(self, place: str, name: str | None = None) -> bool:
        """Whether it has a parameter in `path`, `query` or `header` (of that name)."""
        return any(
            one["in"] == place and name in (None, one["name"]) for one in self.body.get("parameters", [])
        )


def operations(document: Document) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield Operation(path, method, item[method], item.get("parameters", ()))


def resolved(document: Document, node: Document) -> Document:
    """`node`, or what its `$ref` names."""
    if "$ref" not in node:
        return node
    found: Any = document
    for key in node["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return dict(found)
