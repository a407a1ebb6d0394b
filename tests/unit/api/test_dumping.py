"""A dump by plan is what marshmallow itself dumps, for every schema of the API."""

from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import marshmallow as ma
import pytest
from drover_api.app import ROUTES
from drover_api.http.fields import Schema, instance
from marshmallow import fields

WHEN = datetime(2026, 5, 17, 12, 30, 1, 250_000, tzinfo=UTC)


def schemas() -> list[type[Schema]]:
    for module in ROUTES:
        import_module(module)
    found: list[type[Schema]] = []
    waiting: list[type[Schema]] = [Schema]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        found.append(kind)
    dumped = {
        kind
        for kind in found
        if kind.__module__.startswith("drover_api") and not kind.__name__.endswith("Query")
    }
    return sorted(dumped, key=lambda kind: kind.__name__)


def sample(field: fields.Field[Any]) -> Any:
    """A value that the field can dump."""
    if isinstance(field, fields.Nested):
        one = value_of(field.schema)
        return [one, one] if field.many else one
    if isinstance(field, fields.List):
        return [sample(field.inner), None, sample(field.inner)]
    if isinstance(field, fields.Dict):
        return {"a": {"b": [1, None]}} if field.value_field is None else {"a": sample(field.value_field)}
    for kind, value in (
        (fields.UUID, UUID(int=7)),
        (fields.Boolean, True),
        (fields.Integer, 2**60),
        (fields.Float, 1.5),
        (fields.DateTime, WHEN),
        (fields.String, "t\u00e9xt"),
    ):
        if isinstance(field, kind):
            return value
    if isinstance(field, fields.Enum):
        return next(iter(field.enum.__members__.values()))
    return {"raw": 1}


def value_of(schema: ma.Schema) -> dict[str, Any]:
    return {field.attribute or name: sample(field) for name, field in schema.dump_fields.items()}


@pytest.mark.parametrize("kind", schemas(), ids=lambda kind: kind.__name__)
def test_a_plan_dumps_what_marshmallow_does(kind: type[Schema]) -> None:
    schema = instance(kind)
    full = value_of(schema)
    little = {name: full[name] for name in full if name == "items"}  # which every mapping has anyway
    for given in (full, SimpleNamespace(**full), dict.fromkeys(full), little):
        expected = ma.Schema.dump(schema, given)
        dumped = schema.dump(given)
        assert dumped == expected
        assert list(dumped) == list(expected)
    assert schema.dump([full, full], many=True) == ma.Schema.dump(schema, [full, full], many=True)
