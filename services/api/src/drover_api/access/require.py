"""404 where it is not visible, 403 where it is but that is not allowed."""

from functools import cache
from typing import Any

from drover_shared.domain.errors import FieldError, ForbiddenError, InvalidError, NotFoundError
from sqlalchemy import ColumnElement, Select, bindparam, select
from sqlalchemy.orm import Session

from drover_api.access.allowed import allowed, visible
from drover_api.access.principal import EveryPrincipal, Principal
from drover_api.access.roles import MODELS, USE


def find(
    db: Session,
    model: Any,
    principal: Principal,
    permission: str,
    row_id: Any,
    *conditions: ColumnElement[bool],
    lock: bool = False,
) -> Any:
    """The row of `model` on which the principal holds `permission`; locked FOR UPDATE where asked.

    Raises NotFoundError where it is not visible, ForbiddenError where it is but `permission` is missing.
    """
    kind = EveryPrincipal(principal.is_superuser, principal.is_system_auditor)
    query = _finding(model, kind, permission)
    if conditions:
        query = query.where(*conditions)
    if lock:
        query = query.with_for_update(of=model).execution_options(populate_existing=True)
    row = db.execute(query, {"row_id": row_id, "principal_id": principal.user_id}).first()
    label = label_of(model)
    if row is None:
        raise NotFoundError(f"{label} {row_id} does not exist or is not visible")
    if not row.permitted:
        raise ForbiddenError(f"this needs the permission {permission} on {label} {row_id}")
    return row[0]


@cache
def _finding(model: Any, kind: EveryPrincipal, permission: str) -> Select[Any]:
    """Made once: to build it takes longer than to run it."""
    permitted = allowed(model, kind, permission).label("permitted")
    return select(model, permitted).where(model.id == bindparam("row_id"), visible(model, kind))


def require(
    db: Session, principal: Principal, permission: str, resource_type: str, row_id: int, *, lock: bool = False
) -> Any:
    """`find` by the name of the resource's type, such as `job_template`."""
    return find(db, MODELS[resource_type], principal, permission, row_id, lock=lock)


def reference(
    db: Session, principal: Principal, resource_type: str, row_id: int, pointer: str, permission: str = USE
) -> Any:
    """The resource that a body's field names, usable by the principal.

    Raises InvalidError at `pointer` where it is not visible, ForbiddenError where `permission` is missing.
    """
    try:
        return require(db, principal, permission, resource_type, row_id)
    except NotFoundError:
        label = resource_type.replace("_", " ")
        raise InvalidError(
            FieldError(pointer, f"{label} {row_id} does not exist or is not visible")
        ) from None


def require_superuser(principal: Principal) -> None:
    if not principal.is_superuser:
        raise ForbiddenError("only a superuser may do this")


def label_of(model: Any) -> str:
    """What people call a row of `model`, such as "job template"."""
    table: str = model.__tablename__
    singular = table.removesuffix("ies") + "y" if table.endswith("ies") else table.removesuffix("s")
    return singular.replace("_", " ")
