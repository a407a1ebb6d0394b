"""What the last sync of a project found."""

from typing import Any

from drover_shared.db.models import ProjectContent
from drover_shared.domain.errors import FieldError, InvalidError
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.require import require
from drover_api.access.roles import READ
from drover_api.http.pages import add_links

_ORDERS = ("path", "-path")


def playbooks(db: Session, principal: Principal, project_id: int, args: dict[str, Any]) -> dict[str, Any]:
    """A page of the playbooks that the last sync found; none where there was no sync yet."""
    require(db, principal, READ, "project", project_id)
    order = args["order_by"] or "path"
    if order not in _ORDERS:
        raise InvalidError(FieldError("order_by", f"must be one of: {', '.join(_ORDERS)}"))
    content = db.get(ProjectContent, project_id)
    part = args.get("name", "").casefold()
    paths = [path for path in (content.playbooks if content else ()) if part in path.casefold()]
    paths.sort(reverse=order.startswith("-"))
    limit, offset = args["limit"], args["offset"]
    add_links(len(paths), limit, offset)
    return {
        "items": [{"path": path} for path in paths[offset : offset + limit]],
        "total": len(paths),
        "limit": limit,
        "offset": offset,
        "truncated": content is not None and content.truncated,
    }
