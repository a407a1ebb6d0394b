"""Fields that most resources share."""

from typing import Any

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

    def __init__(self, **kwargs: Any) -> None:
        """Inherited fields come first; people look for the name there."""
        super().__init__(**kwargs)
        for known in (self.fields, self.dump_fields):
            for stamp in ("created_at", "modified_at"):
                if stamp in known:
                    known[stamp] = known.pop(stamp)
