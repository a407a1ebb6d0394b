"""The record of who changed what; secrets are masked before they come here."""

from collections.abc import Mapping
from typing import Any

from drover_shared.db.models import Activity
from flask import g
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal


def record(
    db: Session,
    actor: Principal | str,
    action: str,
    resource_type: str,
    resource_id: int | None,
    *,
    organization_id: int | None = None,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Add one entry in the caller's transaction; `actor` is a user, or what a service calls itself.

    `changes` is {field: [old, new]}.
    """
    person = actor if isinstance(actor, Principal) else None
    db.add(
        Activity(
            user_id=person.user_id if person else None,
            actor=person.username if person else str(actor),
            action=action,
            resource_type=resource_type,
            resource_id=resource_id,
            organization_id=organization_id,
            changes=dict(changes or {}),
            request_id=g.get("request_id"),
        )
    )


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """{field: [old, new]} of what differs between two documents."""
    fields = [*before, *(key for key in after if key not in before)]
    return {key: [before.get(key), after.get(key)] for key in fields if before.get(key) != after.get(key)}
