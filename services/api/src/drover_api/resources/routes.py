"""The five endpoints of a resource."""

import copy
from http import HTTPStatus
from typing import Any

import marshmallow as ma
from flask import Response

from drover_api.access.principal import current_principal
from drover_api.http.blueprint import PREFIX, PublicBlueprint
from drover_api.http.body import json_body
from drover_api.http.etags import detail
from drover_api.http.fields import instance
from drover_api.http.pages import page_schema
from drover_api.http.unit import session
from drover_api.resources.crud import Resource

MERGE_PATCH = "application/merge-patch+json"
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "required": False,
    "description": "The ETag of the state this change is meant for; 412 where it has changed",
    "schema": {"type": "string"},
}
ETAG = {"ETag": {"schema": {"type": "string"}, "description": "Of this representation"}}


NOT_WRITTEN = frozenset({"id", "created_at", "modified_at"})


def json_request(schema: Any, *content_types: str, example: Any = None) -> dict[str, Any]:
    """The document's part for a body that the view reads by itself."""
    shown = {"schema": schema} if example is None else {"schema": schema, "example": example}
    return {"required": True, "content": dict.fromkeys(content_types or ("application/json",), shown)}


def patch_request(schema: type[ma.Schema]) -> dict[str, Any]:
    """The document's part for a merge patch of what `schema` describes."""
    name = f"{schema.__name__.removesuffix('Schema')}PatchSchema"
    cleared = {key: _nullable(field) for key, field in schema().load_fields.items() if not field.required}
    partial = type(name, (schema,), cleared)(partial=True)
    return json_request(partial, MERGE_PATCH, "application/json")


def _nullable(field: ma.fields.Field[Any]) -> ma.fields.Field[Any]:
    """In a merge patch null gives a field its default back."""
    made = copy.deepcopy(field)
    made.allow_none = True
    return made


def add_crud(blp: PublicBlueprint, resource: Resource, singular: str, plural: str, path: str) -> None:
    """Add list, create, read, change and delete below `path`; `singular` and `plural` name the operations."""
    add_list(blp, resource, plural, path)
    add_create(blp, resource, singular, path)
    add_detail(blp, resource, singular, path)


def named_view(view: Any, name: str, summary: str) -> Any:
    """Give a generated view its operation id and summary."""
    view.__name__ = view.__qualname__ = name
    view.__doc__ = summary
    return view


def words(name: str) -> str:
    return name.replace("_", " ")


def add_list(blp: PublicBlueprint, resource: Resource, plural: str, path: str) -> None:
    def view(args: dict[str, Any]) -> Any:
        return resource.page(session(), current_principal(), args)

    named_view(view, f"list_{plural}", f"List {words(plural)}")
    wrapped = blp.response(200, page_schema(resource.out))(view)
    blp.get(path)(blp.arguments(resource.query, location="query")(wrapped))


def add_create(blp: PublicBlueprint, resource: Resource, singular: str, path: str) -> None:
    def view() -> Response:
        made = resource.create(session(), current_principal(), json_body())
        document = instance(resource.out).dump(made)
        location = {"Location": f"{PREFIX}{path}/{document['id']}"}
        return detail(instance(resource.out), made, HTTPStatus.CREATED, location)

    named_view(view, f"create_{singular}", f"Create {_a(singular)}")
    answers = blp.response(201, resource.out, headers=ETAG, example=resource.example)
    takes = blp.doc(requestBody=json_request(resource.body, example=_as_body(resource)))
    blp.post(path)(takes(answers(view)))


def add_detail(blp: PublicBlueprint, resource: Resource, singular: str, path: str) -> None:
    def read(**of: int) -> Response:
        return detail(instance(resource.out), resource.get(session(), current_principal(), of["id"]))

    def change(**of: int) -> Response:
        return detail(
            instance(resource.out), resource.change(session(), current_principal(), of["id"], json_body())
        )

    def remove(**of: int) -> Response:
        resource.delete(session(), current_principal(), of["id"])
        return Response(status=HTTPStatus.NO_CONTENT)

    one = f"{path}/<id:id>"
    named_view(read, f"get_{singular}", f"Read {_a(singular)}")
    named_view(change, f"update_{singular}", f"Change {_a(singular)} (JSON Merge Patch)")
    named_view(remove, f"delete_{singular}", f"Delete {_a(singular)}")
    blp.get(one)(blp.response(200, resource.out, headers=ETAG, example=resource.example)(read))
    body = patch_request(resource.body)
    blp.patch(one)(
        blp.doc(requestBody=body, parameters=[IF_MATCH])(
            blp.response(200, resource.out, headers=ETAG, example=resource.example)(change)
        )
    )
    blp.delete(one)(blp.doc(parameters=[IF_MATCH])(blp.response(204)(remove)))


def _as_body(resource: Resource) -> dict[str, Any] | None:
    """The example as a client sends it."""
    if resource.example is None:
        return None
    return {name: value for name, value in resource.example.items() if name not in NOT_WRITTEN}


def _a(singular: str) -> str:
    return f"{'an' if singular[0] in 'aeio' else 'a'} {words(singular)}"
