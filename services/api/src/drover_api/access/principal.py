"""The one who asks."""

from dataclasses import dataclass

from drover_shared.domain.errors import UnauthenticatedError
from flask import g
from sqlalchemy import BindParameter, Integer, bindparam

_PRINCIPAL = "drover_principal"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated user, by a token of scope `read` or `write` or by a browser's session."""

    user_id: int
    username: str
    is_superuser: bool
    is_system_auditor: bool
    scope: str = "write"
    token_id: int | None = None
    session_id: int | None = None


@dataclass(frozen=True, slots=True)
class EveryPrincipal:
    """All principals of one kind, in a statement that is built once: `user_id` is bound when it runs."""

    is_superuser: bool
    is_system_auditor: bool

    @property
    def user_id(self) -> BindParameter[int]:
        """Executed with the parameter `principal_id`."""
        return bindparam("principal_id", type_=Integer)


def set_principal(principal: Principal) -> None:
    setattr(g, _PRINCIPAL, principal)


def current_principal() -> Principal:
    """The user of this request. Raises UnauthenticatedError where nobody was authenticated."""
    principal: Principal | None = g.get(_PRINCIPAL)
    if principal is None:
        raise UnauthenticatedError("authentication is required")
    return principal
