"""What the internal routes share: their prefix, their token, and the terms of a lease."""

from flask import request

from drover_api.deps import deps
from drover_api.http.blueprint import ApiBlueprint
from drover_api.internal.attempts import LeaseTerms
from drover_api.internal.bodies import InternalParser

PREFIX = "/internal/api/v1"


class InternalBlueprint(ApiBlueprint):
    """Endpoints for executors; each view checks the token that its call needs."""

    ARGUMENTS_PARSER = InternalParser()

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name, __name__, url_prefix=PREFIX, description=description)


def given_token() -> str | None:
    """The request's bearer token, if it has one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def lease_terms() -> LeaseTerms:
    settings = deps().settings
    return LeaseTerms(settings.lease_seconds, settings.heartbeat_seconds)
