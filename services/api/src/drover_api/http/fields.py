"""Fields and schemas that hold the conventions of every resource."""

from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

import marshmallow as ma
from drover_shared.clock import rfc3339
from marshmallow import fields, validate

from drover_api.http.dumping import Plan, plan_of

AnySchema = TypeVar("AnySchema", bound=ma.Schema)
MAX_BIGINT = 2**63 - 1
MAX_INT = 2**31 - 1


class Schema(ma.Schema):
    """Unknown fields are errors, and fields keep their order. It dumps by a plan: see `dumping`."""

    class Meta:
        unknown = ma.RAISE

    _plan: Plan | None = None

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        if self._hooks["pre_dump"] or self._hooks["post_dump"]:
            return super().dump(obj, many=many)
        if self._plan is None:
            self._plan = plan_of(self)
        plan = self._plan
        several = self.many if many is None else many
        return [plan(one) for one in obj] if several else plan(obj)


@cache
def instance(kind: type[AnySchema]) -> AnySchema:
    """The one instance of a schema that is used as it is: making one takes longer than using it."""
    return kind()


class Timestamp(fields.DateTime):
    """RFC 3339 in UTC with `Z`; input must carry an offset."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", **kwargs)

    def _serialize(self, value: datetime | None, *_args: Any, **_kwargs: Any) -> str | None:
        return None if value is None else rfc3339(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        moment: datetime = super()._deserialize(value, attr, data, **kwargs)
        if moment.tzinfo is None:
            raise ma.ValidationError("Needs an offset, such as Z.")
        try:
            return moment.astimezone(UTC)
        except OverflowError:  # year 0 or 10000, once in UTC
            raise ma.ValidationError("Is out of range.") from None


class JsonObject(fields.Dict):
    """Any JSON object."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(keys=fields.String(), **kwargs)


def identifier(**kwargs: Any) -> fields.Integer:
    """A reference to another resource: an integer from 1, never a string or a boolean."""
    return StrictInteger(validate=validate.Range(1, MAX_BIGINT), **kwargs)


class StrictInteger(fields.Integer):
    """A JSON number without fraction; `true` and `"1"` are none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strict=True, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, (bool, str)):
            raise self.make_error("invalid", input=value)
        number: int = super()._deserialize(value, attr, data, **kwargs)
        return number


class StrictBoolean(fields.Boolean):
    """`true` or `false`, nothing that looks like it."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


def text(low: int, high: int, **kwargs: Any) -> fields.String:
    """A string of `low` to `high` characters."""
    return fields.String(validate=validate.Length(low, high), **kwargs)


def name(**kwargs: Any) -> fields.String:
    """A name: 1 to 512 characters, not only blanks."""
    return fields.String(
        validate=[validate.Length(1, 512), validate.Regexp(r".*\S", error="Must not be blank.")], **kwargs
    )


def integer(low: int, high: int, **kwargs: Any) -> fields.Integer:
    """A whole JSON number from `low` to `high`."""
    return StrictInteger(validate=validate.Range(low, high), **kwargs)


__all__ = [
    "MAX_BIGINT",
    "MAX_INT",
    "JsonObject",
    "Schema",
    "StrictBoolean",
    "StrictInteger",
    "Timestamp",
    "identifier",
    "instance",
    "integer",
    "name",
    "text",
]
