"""Making and revoking one's own tokens."""

from datetime import datetime, timedelta
from typing import Any

from drover_shared.db.models import Token
from drover_shared.domain.errors import FieldError, InvalidError, NotFoundError
from drover_shared.ids import new_token, token_hash
from sqlalchemy import select
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.activity import record
from drover_api.http.pages import paginate

LIFETIME = timedelta(days=90)
PREFIX = "drv"
_ORDERS = {"id": Token.id, "created_at": Token.created_at, "expires_at": Token.expires_at}


def create_token(db: Session, principal: Principal, values: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A new token of `principal`, with the secret that is told this once."""
    expires_at = values.get("expires_at", now + LIFETIME)
    if expires_at is not None and expires_at <= now:
        raise InvalidError(FieldError("/expires_at", "Must be in the future."))
    secret = new_token(PREFIX)
    row = Token(
        user_id=principal.user_id,
        description=values["description"],
        scope=values["scope"],
        expires_at=expires_at,
        token_hash=token_hash(secret),
    )
    db.add(row)
    db.flush()
    db.refresh(row)
    record(db, principal, "create", "token", row.id, changes={"scope": [None, row.scope]})
    shown = ("id", "description", "scope", "created_at", "expires_at", "last_used_at")
    return {name: getattr(row, name) for name in shown} | {"token": secret}


def list_tokens(db: Session, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    query = select(Token).where(Token.user_id == principal.user_id)
    if args.get("scope"):
        query = query.where(Token.scope == args["scope"])
    return paginate(db, query, args, _ORDERS)


def own_token(db: Session, principal: Principal, token_id: int) -> Token:
    row = db.scalar(select(Token).where(Token.id == token_id, Token.user_id == principal.user_id))
    if row is None:
        raise NotFoundError(f"token {token_id} does not exist or is not yours")
    return row


def revoke_token(db: Session, principal: Principal, token_id: int) -> None:
    row = own_token(db, principal, token_id)
    db.delete(row)
    record(db, principal, "delete", "token", token_id)
