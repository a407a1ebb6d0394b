"""Specification 2.2 with the variables, and the hosts and groups an inventory holds."""

import ipaddress
import re

import marshmallow as ma
from marshmallow import fields, validate

from drover_api.http.fields import (
    MAX_INT,
    JsonObject,
    Schema,
    StrictBoolean,
    Timestamp,
    identifier,
    integer,
    text,
)
from drover_api.http.pages import NameQuery, QueryBoolean, QueryInteger
from drover_api.resources.common import OwnedBody, StampedOut, description

MAX_BULK_HOSTS = 10_000
MAX_PATH = 1024
MAX_INPUTS = 100
MAX_FILTER = 10_000
MAX_IMPORT_CHARS = 20 * 1024 * 1024
RESERVED_GROUPS = frozenset({"all", "ungrouped"})
_HOST = re.compile(r"[^\s,\[\]:/\\'\"{}!&;#@-][^\s,\[\]:/\\'\"{};#@]*\Z")
_GROUP = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]*$")
MAX_NAME = 255
_NAME_LENGTH = {"minLength": 1, "maxLength": MAX_NAME}


def host_name_fault(name: str) -> str | None:
    """Why Ansible could not take `name` for one host, or None: a host name, or an address of IPv4 or IPv6."""
    if len(name) <= MAX_NAME and _HOST.match(name):
        return None
    try:
        ipaddress.IPv6Address(name)
    except ValueError:
        return "Must be a host name or an IP address, without port, range or blanks."
    return None


def group_name_fault(name: str) -> str | None:
    """Why `name` cannot be a group's, or None."""
    if name in RESERVED_GROUPS:
        return f"{name} is a group that every inventory has."
    if len(name) > MAX_NAME or not _GROUP.fullmatch(name):
        return "Must be letters, digits, _, . and -, and start with a letter or _."
    return None


def _check_host_name(name: str) -> None:
    if fault := host_name_fault(name):
        raise ma.ValidationError(fault)


def _check_group_name(name: str) -> None:
    if fault := group_name_fault(name):
        raise ma.ValidationError(fault)


class InventoryBodySchema(OwnedBody):
    """`kind` is `inventory` (hosts and groups are held here), `scm` (a file or folder `source_path` of the
    project `source_project_id`) or `constructed` (`input_inventory_ids`, merged in this order, and of their
    hosts those that `host_filter` leaves).
    """

    kind = fields.String(
        validate=validate.OneOf(["inventory", "scm", "constructed"]), load_default="inventory"
    )
    variables = JsonObject(load_default=dict)
    source_project_id = identifier(allow_none=True, load_default=None)
    source_path = text(
        1, MAX_PATH, allow_none=True, load_default=None, metadata={"example": "hosts/production"}
    )
    input_inventory_ids = fields.List(
        identifier(), load_default=list, validate=validate.Length(max=MAX_INPUTS)
    )
    host_filter = text(
        1,
        MAX_FILTER,
        allow_none=True,
        load_default=None,
        metadata={
            "description": "A pattern as of `ansible --limit`: names and wildcards, `&` and `!`",
            "example": "web*,&production,!retired",
        },
    )
    max_simultaneous = integer(
        0, MAX_INT, load_default=0, metadata={"description": "jobs that may be at work at it; 0: no limit"}
    )


EXAMPLE = {
    "id": 42,
    "name": "Production Inventory",
    "description": "Hosts for production",
    "organization_id": 1,
    "kind": "inventory",
}


class InventorySchema(StampedOut):
    id = fields.Integer()
    name = fields.String()
    description = fields.String()
    organization_id = fields.Integer()
    kind = fields.String()
    max_simultaneous = fields.Integer()
    variables = JsonObject()
    source_project_id = fields.Integer(allow_none=True)
    source_path = fields.String(allow_none=True)
    input_inventory_ids = fields.List(fields.Integer())
    host_filter = fields.String(allow_none=True)
    version = fields.Integer(metadata={"description": "Grows with each change of what Ansible sees"})


class InventoryQuery(NameQuery):
    organization_id = QueryInteger()
    kind = fields.String(validate=validate.OneOf(["inventory", "scm", "constructed"]))


class HostBodySchema(Schema):
    """A host that is not `enabled` is left out of what Ansible sees."""

    name = fields.String(required=True, validate=_check_host_name, metadata=_NAME_LENGTH)
    description = description()
    enabled = StrictBoolean(load_default=True)
    variables = JsonObject(load_default=dict)


class HostSchema(StampedOut):
    id = fields.Integer()
    inventory_id = fields.Integer()
    name = fields.String()
    description = fields.String()
    enabled = fields.Boolean()
    variables = JsonObject()


class HostQuery(NameQuery):
    enabled = QueryBoolean()
    group_id = QueryInteger(metadata={"description": "Only direct members of this group"})


class KeptFactsSchema(Schema):
    host = fields.String()
    job_id = fields.Integer(metadata={"description": "The job that gathered them"})
    gathered_at = Timestamp()
    bytes = fields.Integer(metadata={"description": "Their size as JSON"})


class HostFactsSchema(KeptFactsSchema):
    facts = JsonObject()


class FactsQuery(NameQuery):
    name = fields.String(metadata={"description": "Case-insensitive part of the host's name"})


class BulkHostSchema(HostBodySchema):
    groups = fields.List(fields.String(), load_default=list, metadata={"description": "Names of groups"})


class BulkHostsSchema(Schema):
    hosts = fields.List(
        fields.Nested(BulkHostSchema), required=True, validate=validate.Length(1, MAX_BULK_HOSTS)
    )


class BulkResultSchema(Schema):
    created = fields.Integer()


class GroupBodySchema(Schema):
    name = fields.String(
        required=True, validate=_check_group_name, metadata=_NAME_LENGTH | {"pattern": _GROUP.pattern}
    )
    description = description()
    variables = JsonObject(load_default=dict)


class GroupSchema(StampedOut):
    id = fields.Integer()
    inventory_id = fields.Integer()
    name = fields.String()
    description = fields.String()
    variables = JsonObject()


class GroupQuery(NameQuery):
    parent_id = QueryInteger(metadata={"description": "Only direct children of this group"})
    host_id = QueryInteger(metadata={"description": "Only groups that this host is a direct member of"})


class ImportSchema(Schema):
    """`overwrite` makes the inventory hold what the text says and nothing else; else the two are merged."""

    format = fields.String(required=True, validate=validate.OneOf(["ini", "yaml"]))
    content = text(1, MAX_IMPORT_CHARS, required=True)
    overwrite = StrictBoolean(load_default=False)


class ImportResultSchema(Schema):
    hosts = fields.Integer(metadata={"description": "Hosts that the text names"})
    groups = fields.Integer(metadata={"description": "Groups that the text names"})
    hosts_total = fields.Integer(metadata={"description": "Hosts of the inventory now"})
    groups_total = fields.Integer(metadata={"description": "Groups of the inventory now"})
