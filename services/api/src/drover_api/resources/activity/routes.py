"""/activity: superusers and auditors read all, an organization's admins and auditors what happened in it."""

from typing import Any, cast

from drover_shared.db.models import Activity
from drover_shared.domain.errors import NotFoundError
from flask import Response
from sqlalchemy import ColumnElement, or_, select, true

from drover_api.access.allowed import granted
from drover_api.access.principal import Principal, current_principal
from drover_api.access.roles import READ, organization_roles
from drover_api.http.blueprint import PublicBlueprint
from drover_api.http.etags import detail
from drover_api.http.fields import instance
from drover_api.http.pages import PAGE_FIELDS, page_schema, paginate
from drover_api.http.unit import session
from drover_api.resources.activity.schemas import ActivityQuery, ActivitySchema

blp = PublicBlueprint("activity", "Who changed what, and when")
_ORDERS = {"id": Activity.id}


def _seen(principal: Principal) -> ColumnElement[bool]:
    if principal.is_superuser or principal.is_system_auditor:
        return true()
    audited = granted(principal, "organization", organization_roles("activity", READ))
    return or_(Activity.organization_id.in_(audited), Activity.user_id == principal.user_id)


def _condition(name: str, value: Any) -> ColumnElement[bool]:
    conditions = {
        "created_after": lambda: Activity.created_at >= value,
        "created_before": lambda: Activity.created_at < value,
    }
    found = conditions.get(name, lambda: getattr(Activity, name) == value)()
    return cast("ColumnElement[bool]", found)


@blp.get("/activity")
@blp.arguments(ActivityQuery, location="query")
@blp.response(200, page_schema(ActivitySchema))
def list_activity(args: dict[str, Any]) -> dict[str, Any]:
    """List changes, the newest first"""
    chosen = [_condition(name, value) for name, value in args.items() if name not in PAGE_FIELDS]
    query = select(Activity).where(_seen(current_principal()), *chosen)
    return paginate(session(), query, args, _ORDERS, default="-id")


@blp.get("/activity/<id:activity_id>")
@blp.response(200, ActivitySchema)
def get_activity(activity_id: int) -> Response:
    """Read one change"""
    found = session().scalar(select(Activity).where(Activity.id == activity_id, _seen(current_principal())))
    if found is None:
        raise NotFoundError(f"activity {activity_id} does not exist or is not visible")
    return detail(instance(ActivitySchema), found)
