"""Lists: `{items, total, limit, offset}` with a `Link` header."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import urlencode

import marshmallow as ma
from drover_shared.domain.errors import FieldError, InvalidError
from flask import Response, after_this_request, request
from marshmallow import fields, validate
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from drover_api.http.fields import MAX_BIGINT, Schema

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
PAGE_FIELDS = frozenset({"limit", "offset", "order_by"})
_DIGITS = re.compile(r"-?[0-9]{1,20}\Z", re.ASCII)

Orders = Mapping[str, "InstrumentedAttribute[Any] | ColumnElement[Any]"]


class QueryInteger(fields.Integer):
    """A decimal integer in a query string: no blanks, underscores or foreign digits."""

    def __init__(self, low: int = 1, high: int = MAX_BIGINT, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(low, high), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, str) or not _DIGITS.match(value):
            raise self.make_error("invalid", input=value)
        number: int = super()._deserialize(value, attr, data, **kwargs)
        return number


class QueryBoolean(fields.Boolean):
    """`true` or `false` in a query string."""

    truthy = {"true"}  # noqa: RUF012 - marshmallow reads both from the class
    falsy = {"false"}  # noqa: RUF012


class PageQuery(Schema):
    """The query parameters of every list; a list's own filters go into a subclass."""

    limit = QueryInteger(1, MAX_LIMIT, load_default=DEFAULT_LIMIT)
    offset = QueryInteger(0, load_default=0)
    order_by = fields.String(
        load_default=None,
        metadata={"description": "A field of the items; with a leading `-` in descending order"},
    )


class NameQuery(PageQuery):
    name = fields.String(metadata={"description": "Case-insensitive part of the name"})


def contains(column: "InstrumentedAttribute[str] | ColumnElement[str]", part: str) -> ColumnElement[bool]:
    """Case-insensitive substring search; `%` and `_` stand for themselves."""
    return column.icontains(part, autoescape=True)


@cache
def page_schema(item: type[ma.Schema]) -> type[Schema]:
    """The schema of a page of `item`."""
    name = item.__name__.removesuffix("Schema")
    return type(
        f"{name}PageSchema",
        (Schema,),
        {
            "items": fields.List(fields.Nested(item)),
            "total": fields.Integer(),
            "limit": fields.Integer(),
            "offset": fields.Integer(),
        },
    )


def ordering(orders: Orders, wanted: str | None, default: str) -> Sequence[ColumnElement[Any]]:
    """The ORDER BY for `wanted` ("field" or "-field"), made total by the first order of the map."""
    asked = wanted or default
    name, descending = asked.removeprefix("-"), asked.startswith("-")
    if name not in orders:
        raise InvalidError(FieldError("order_by", f"must be one of: {', '.join(orders)}"))
    tie_break = next(iter(orders))
    columns = [orders[name]] if name == tie_break else [orders[name], orders[tie_break]]
    return [column.desc() if descending else column.asc() for column in columns]


def paginate(
    db: Session,
    query: Select[Any],
    args: Mapping[str, Any],
    orders: Orders,
    default: str = "id",
    total: int | None = None,
) -> dict[str, Any]:
    """One page of `query` (whose first column is the entity): what a page schema dumps.

    The first of `orders` is the unique one. `total` is counted unless the caller knows it. Sets the `Link`
    header of the answer.
    """
    limit, offset = args["limit"], args["offset"]
    if total is None:
        total = db.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    ordered = query.order_by(*ordering(orders, args.get("order_by"), default))
    items = db.scalars(ordered.limit(limit).offset(offset)).all() if offset < total else []
    add_links(total, limit, offset)
    return {"items": items, "total": total, "limit": limit, "offset": offset}


def add_links(total: int, limit: int, offset: int) -> None:
    """Set `Link` (RFC 8288) with first, prev, next and last on the answer to this request."""
    last = max(total - 1, 0) // limit * limit
    places = {"first": 0, "prev": max(offset - limit, 0), "next": offset + limit, "last": last}
    if offset == 0:
        del places["prev"]
    if offset + limit >= total:
        del places["next"]
    kept = [
        (name, value) for name, value in request.args.items(multi=True) if name not in ("limit", "offset")
    ]
    links = [
        f'<{request.path}?{urlencode([*kept, ("limit", limit), ("offset", place)])}>; rel="{rel}"'
        for rel, place in places.items()
    ]

    @after_this_request
    def _add(response: Response) -> Response:
        response.headers["Link"] = ", ".join(links)
        return response
