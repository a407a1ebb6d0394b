"""Credential types: everybody reads them, superusers make them, the built-in ones stay as they are."""

import re
from collections.abc import Iterator
from typing import Any

from drover_shared.db.models import Credential, CredentialType
from drover_shared.domain.errors import ConflictError, FieldError, InvalidError
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.require import require_superuser
from drover_api.resources.credential_types.schemas import (
    CredentialTypeBodySchema,
    CredentialTypeQuery,
    CredentialTypeSchema,
)
from drover_api.resources.crud import Resource, Values

_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


class CredentialTypes(Resource):
    model = CredentialType
    kind = "credential_type"
    out = CredentialTypeSchema
    body = CredentialTypeBodySchema
    query = CredentialTypeQuery
    order_fields = ("id", "name", "namespace", "created_at", "modified_at")
    used_by = ((Credential, "credential_type_id"),)

    def may_create(self, db: Session, principal: Principal, values: Values) -> None:
        del db, values
        require_superuser(principal)

    def check(self, db: Session, principal: Principal, values: Values, row: CredentialType | None) -> None:
        del db, principal
        if row is not None and row.managed:
            raise ConflictError(f"credential type {row.id} is built in and cannot be changed")
        if errors := list(_faults(values["inputs"], values["injectors"])):
            raise InvalidError(*errors)

    def columns(self, db: Session, values: Values, row: CredentialType | None) -> Values:
        del db
        if "namespace" not in values and row is None:
            slug = re.sub(r"[^a-z0-9]+", "_", values["name"].lower()).strip("_")
            values["namespace"] = f"type_{slug}"[:64] if not slug[:1].isalpha() else slug[:64]
        return values

    def before_delete(self, db: Session, principal: Principal, row: CredentialType) -> None:
        del db, principal
        if row.managed:
            raise ConflictError(f"credential type {row.id} is built in and cannot be deleted")


def _faults(inputs: dict[str, Any], injectors: dict[str, Any]) -> Iterator[FieldError]:
    known = [field["id"] for field in inputs["fields"]]
    for place, name in enumerate(known):
        if name in known[:place]:
            yield FieldError(f"/inputs/fields/{place}/id", "Is given twice.")
    for place, name in enumerate(inputs["required"]):
        if name not in known:
            yield FieldError(f"/inputs/required/{place}", "Is not the id of a field.")
    files = {f"file.{name}" for name in injectors.get("file", {})}
    for kind, texts in injectors.items():
        for name, value in texts.items():
            for placeholder in _PLACEHOLDER.findall(value) if isinstance(value, str) else ():
                if placeholder.strip() not in {*known, *files}:
                    yield FieldError(f"/injectors/{kind}/{name}", f"{placeholder.strip()} is no field.")
