"""/inventories"""

from typing import Any

from flask import Response

from drover_api.access.principal import current_principal
from drover_api.http.blueprint import PublicBlueprint
from drover_api.http.unit import session
from drover_api.resources.inventories import content_routes
from drover_api.resources.inventories.importing.store import import_text
from drover_api.resources.inventories.schemas import ImportResultSchema, ImportSchema
from drover_api.resources.inventories.service import Inventories, script
from drover_api.resources.routes import add_crud

blp = PublicBlueprint("inventories", "Hosts, nested groups and variables")
add_crud(blp, Inventories(), "inventory", "inventories", "/inventories")
content_routes.add_to(blp)


@blp.post("/inventories/<id:inventory_id>/import")
@blp.arguments(ImportSchema)
@blp.response(200, ImportResultSchema)
def import_inventory(command: dict[str, Any], inventory_id: int) -> dict[str, int]:
    """Import INI or YAML text"""
    return import_text(session(), current_principal(), inventory_id, command)


@blp.get("/inventories/<id:inventory_id>/script")
@blp.response(200, {"description": "An inventory file"}, content_type="application/yaml")
def get_inventory_script(inventory_id: int) -> Response:
    """Read the inventory as Ansible sees it"""
    return Response(script(session(), current_principal(), inventory_id), mimetype="application/yaml")
