"""Fields that most resources share."""

from typing import Any

import marshmallow as ma
from marshmallow import fields

from drover_api.http.fields import Schema, Timestamp, identifier, name, text

MAX_DESCRIPTION = 10_000


def description() -> fields.String:
    return text(0, MAX_DESCRIPTION, load_default="")


class NamedBody(Schema):
    """A body with a name and a description."""

    name = name(required=True)
    description = description()


class OwnedBody(NamedBody):
    """… that belongs to an organization."""

    organization_id = identifier(required=True)


class StampedOut(Schema):
    """When it was made, and last changed."""

    created_at = Timestamp(dump_only=True)
    modified_at = Timestamp(dump_only=True)

    @ma.post_dump
    def _stamps_last(self, document: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Inherited fields come first; people look for the name there."""
        for stamp in ("created_at", "modified_at"):
            document[stamp] = document.pop(stamp)
        return document
