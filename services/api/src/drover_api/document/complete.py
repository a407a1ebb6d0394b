"""The one place where the generated document becomes the served one."""

from collections.abc import Iterator
from typing import Any

from drover_api.document import answers, examples, links, output, schemas
from drover_api.document.operations import Document, Operation, operations

_UNUSED = ("PaginationMetadata",)  # flask-smorest's own pages; ours are in the body


def completed(document: Document) -> Document:
    """`document` with every answer, link and example, changed in place. Deterministic."""
    for name in _UNUSED:
        document["components"]["schemas"].pop(name, None)
    schemas.portable_patterns(document)
    found = list(_operations(document))
    schemas.require_in_answers(document, found)
    answers.add_conditions(found)
    for one in found:
        output.add(one)
        answers.add(document, one)
    answers.add_default(document)
    links.add(found)
    for one in found:
        examples.add(document, one)
    return document


def _operations(document: Document) -> Iterator[Operation]:
    for one in operations(document):
        own: dict[str, Any] = one.body
        own["parameters"] = [*one.shared, *own.get("parameters", [])]
        yield one
    for item in document["paths"].values():
        item.pop("parameters", None)
