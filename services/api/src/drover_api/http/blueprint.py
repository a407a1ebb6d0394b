"""Blueprints with what each operation of the API has: strict arguments, an operation id, authentication."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import marshmallow as ma
from flask_smorest import Blueprint
from werkzeug.routing import IntegerConverter

from drover_api.access.authenticate import require_token
from drover_api.http.arguments import Parser
from drover_api.http.fields import instance

PREFIX = "/api/v1"
MAX_PATH_ID = 10**18 - 1  # what the pattern of a path's id lets through; no sequence comes near

View = TypeVar("View", bound=Callable[..., Any])


class Decorator(Protocol):
    """Hands back a view of the same signature."""

    def __call__(self, view: View, /) -> View: ...


class IdConverter(IntegerConverter):
    """A path's id: 1 to `MAX_PATH_ID`; anything else is no path of ours, so 404.

    The pattern alone decides: what a converter refuses later, werkzeug answers with 405.
    """

    regex = r"[1-9][0-9]{0,17}"


class ApiBlueprint(Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    """A view function's name is its operation id, so it is unique in the whole API."""

    ARGUMENTS_PARSER = Parser()

    if TYPE_CHECKING:  # flask-smorest's decorators, typed

        def doc(self, **options: Any) -> Decorator: ...
        def route(self, rule: str, **options: Any) -> Decorator: ...
        def get(self, rule: str, **options: Any) -> Decorator: ...
        def post(self, rule: str, **options: Any) -> Decorator: ...
        def put(self, rule: str, **options: Any) -> Decorator: ...
        def patch(self, rule: str, **options: Any) -> Decorator: ...
        def delete(self, rule: str, **options: Any) -> Decorator: ...
        def response(self, status_code: int, schema: Any = None, **options: Any) -> Decorator: ...
        def alt_response(self, status_code: int, response: Any = None, **options: Any) -> Decorator: ...

    def arguments(self, schema: type[ma.Schema], **options: Any) -> Decorator:
        """The parsed arguments as the view's first parameter, by the one instance of `schema`."""
        decorator: Decorator = super().arguments(instance(schema), **options)
        return decorator

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Callable[..., Any] | None = None,
        **options: Any,
    ) -> None:
        if view_func is not None:
            view_func = super().doc(operationId=view_func.__name__)(view_func)
        super().add_url_rule(rule, endpoint, view_func, **options)


class PublicBlueprint(ApiBlueprint):
    """Endpoints for users: a bearer token is needed, and one of scope `write` for all but reads."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name, __name__, url_prefix=PREFIX, description=description)
        self.before_request(require_token)
