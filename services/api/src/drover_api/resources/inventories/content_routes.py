"""/inventories/{id}/hosts and /inventories/{id}/groups"""

from typing import Any

from flask import Response

from drover_api.access.principal import current_principal
from drover_api.http.blueprint import PREFIX, PublicBlueprint
from drover_api.http.body import json_body
from drover_api.http.etags import detail
from drover_api.http.fields import instance
from drover_api.http.pages import page_schema
from drover_api.http.unit import session
from drover_api.resources.inventories import content, facts
from drover_api.resources.inventories.bulk import add_hosts
from drover_api.resources.inventories.schemas import (
    BulkHostsSchema,
    BulkResultSchema,
    FactsQuery,
    HostFactsSchema,
    KeptFactsSchema,
)
from drover_api.resources.routes import ETAG, IF_MATCH, json_request, named_view, patch_request

_HOSTS = "/inventories/<id:inventory_id>/hosts"
_GROUPS = "/inventories/<id:inventory_id>/groups"


def add_to(blp: PublicBlueprint) -> None:
    """Add every endpoint of an inventory's content."""
    _add_bulk(blp)
    _add_content(blp, content.Hosts, "host", _HOSTS)
    _add_content(blp, content.Groups, "group", _GROUPS)
    _add_memberships(blp)
    _add_facts(blp)


def _add_bulk(blp: PublicBlueprint) -> None:
    @blp.post(f"{_HOSTS}/bulk")
    @blp.arguments(BulkHostsSchema)
    @blp.response(201, BulkResultSchema)
    def create_hosts(body: dict[str, Any], inventory_id: int) -> dict[str, int]:
        """Create up to 10,000 hosts at once"""
        made = add_hosts(session(), current_principal(), inventory_id, body["hosts"])
        return {"created": made}


def _add_content(blp: PublicBlueprint, kind: type[content.Content], name: str, path: str) -> None:
    _add_collection(blp, kind, name, path)
    _add_one(blp, kind, name, f"{path}/<id:{name}_id>")


def _add_collection(blp: PublicBlueprint, kind: type[content.Content], name: str, path: str) -> None:
    def read_all(args: dict[str, Any], inventory_id: int) -> Any:
        return kind(inventory_id).page(session(), current_principal(), args)

    def create(inventory_id: int) -> Response:
        made = kind(inventory_id).create(session(), current_principal(), json_body())
        location = {"Location": f"{PREFIX}/inventories/{inventory_id}/{name}s/{made.id}"}
        return detail(instance(kind.out), made, 201, location)

    named_view(read_all, f"list_{name}s", f"List the {name}s of an inventory")
    named_view(create, f"create_{name}", f"Create a {name} in an inventory")
    wrapped = blp.response(200, page_schema(kind.out))(read_all)
    blp.get(path)(blp.arguments(kind.query, location="query")(wrapped))
    documented = blp.doc(requestBody=json_request(kind.body))
    blp.post(path)(documented(blp.response(201, kind.out, headers=ETAG)(create)))


def _add_one(blp: PublicBlueprint, kind: type[content.Content], name: str, path: str) -> None:
    key = f"{name}_id"

    def read(inventory_id: int, **of: int) -> Response:
        return detail(instance(kind.out), kind(inventory_id).get(session(), current_principal(), of[key]))

    def change(inventory_id: int, **of: int) -> Response:
        changed = kind(inventory_id).change(session(), current_principal(), of[key], json_body())
        return detail(instance(kind.out), changed)

    def remove(inventory_id: int, **of: int) -> Response:
        kind(inventory_id).delete(session(), current_principal(), of[key])
        return Response(status=204)

    named_view(read, f"get_{name}", f"Read a {name} of an inventory")
    named_view(change, f"update_{name}", f"Change a {name} of an inventory (JSON Merge Patch)")
    named_view(remove, f"delete_{name}", f"Delete a {name} of an inventory")
    blp.get(path)(blp.response(200, kind.out, headers=ETAG)(read))
    documented = blp.doc(requestBody=patch_request(kind.body), parameters=[IF_MATCH])
    blp.patch(path)(documented(blp.response(200, kind.out, headers=ETAG)(change)))
    blp.delete(path)(blp.doc(parameters=[IF_MATCH])(blp.response(204)(remove)))


def _add_memberships(blp: PublicBlueprint) -> None:
    one = f"{_GROUPS}/<id:group_id>"

    @blp.put(f"{one}/hosts/<id:host_id>")
    @blp.response(204)
    def add_host_to_group(inventory_id: int, group_id: int, host_id: int) -> None:
        """Put a host into a group"""
        content.link(session(), current_principal(), inventory_id, group_id, host_id=host_id)

    @blp.delete(f"{one}/hosts/<id:host_id>")
    @blp.response(204)
    def remove_host_from_group(inventory_id: int, group_id: int, host_id: int) -> None:
        """Take a host out of a group"""
        content.unlink(session(), current_principal(), inventory_id, group_id, host_id=host_id)

    @blp.put(f"{one}/children/<id:child_id>")
    @blp.response(204)
    def add_group_to_group(inventory_id: int, group_id: int, child_id: int) -> None:
        """Put a group into a group"""
        content.link(session(), current_principal(), inventory_id, group_id, child_id=child_id)

    @blp.delete(f"{one}/children/<id:child_id>")
    @blp.response(204)
    def remove_group_from_group(inventory_id: int, group_id: int, child_id: int) -> None:
        """Take a group out of a group"""
        content.unlink(session(), current_principal(), inventory_id, group_id, child_id=child_id)


def _add_facts(blp: PublicBlueprint) -> None:
    @blp.get("/inventories/<id:inventory_id>/facts")
    @blp.arguments(FactsQuery, location="query")
    @blp.response(200, page_schema(KeptFactsSchema))
    def list_facts(args: dict[str, Any], inventory_id: int) -> dict[str, Any]:
        """List the hosts of which jobs have kept facts (use_fact_cache of a job template)"""
        return facts.page(session(), current_principal(), inventory_id, args)

    @blp.get("/inventories/<id:inventory_id>/facts/<string:host>")
    @blp.response(200, HostFactsSchema)
    def get_facts(inventory_id: int, host: str) -> Response:
        """Read the facts kept of a host, by its name"""
        found = facts.of_name(session(), current_principal(), inventory_id, host)
        return detail(instance(HostFactsSchema), found)

    @blp.get(f"{_HOSTS}/<id:host_id>/facts")
    @blp.response(200, HostFactsSchema)
    def get_host_facts(inventory_id: int, host_id: int) -> Response:
        """Read the facts kept of a host"""
        found = facts.of_host(session(), current_principal(), inventory_id, host_id)
        return detail(instance(HostFactsSchema), found)
