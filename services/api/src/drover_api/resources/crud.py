"""Create, read, list, change and delete, the same for every resource.

A resource subclasses `Resource` with what is particular to it; `routes.add_crud` gives it its endpoints.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import marshmallow as ma
from drover_shared.db.models import RoleAssignment
from drover_shared.domain.errors import ConflictError, FieldError, InvalidError
from sqlalchemy import ColumnElement, Select, delete, func, select
from sqlalchemy.orm import Session

from drover_api.access.allowed import visible
from drover_api.access.principal import Principal
from drover_api.access.require import find, label_of, reference, require_superuser
from drover_api.access.roles import ADMIN, GRANTABLE, READ
from drover_api.activity import difference, record
from drover_api.http.arguments import load
from drover_api.http.body import pointer_token
from drover_api.http.etags import check_if_match
from drover_api.http.fields import instance
from drover_api.http.merge import merge_patch
from drover_api.http.pages import PAGE_FIELDS, NameQuery, Orders, PageQuery, contains, paginate

NAMED_USERS = 3  # so many users of a thing are named when it cannot be deleted

Values = dict[str, Any]


class Resource:
    """One kind of resource; hooks do nothing unless overridden. Methods work in the caller's transaction."""

    model: ClassVar[Any]
    kind: ClassVar[str]
    out: ClassVar[type[ma.Schema]]
    body: ClassVar[type[ma.Schema]]
    query: ClassVar[type[PageQuery]] = NameQuery
    example: ClassVar[Mapping[str, Any] | None] = None  # for the document: what `out` gives
    order_fields: ClassVar[Sequence[str]] = ("id", "name", "created_at", "modified_at")
    # Who may be in the way of a deletion: models with a column that refers to this resource.
    used_by: ClassVar[Sequence[tuple[Any, str]]] = ()
    # Fields that name another resource, and the permission needed on it.
    references: ClassVar[Mapping[str, tuple[str, str]]] = {}
    change_permission: ClassVar[str] = ADMIN

    # Hooks

    def scope(self) -> Sequence[ColumnElement[bool]]:
        """Conditions that every row of this resource meets: those of its parent, where it has one."""
        return ()

    def filters(self) -> Mapping[str, Callable[[Any], ColumnElement[bool]]]:
        """Query parameters with a meaning of their own; others compare the column of that name."""
        return {}

    def normalized(self, body: Values) -> Values:
        """A body with older or nested spellings replaced, before anything else looks at it."""
        return body

    def writable(self, db: Session, row: Any) -> Values:
        """The document that PATCH merges into: `row` in the shape of `body`, secrets masked."""
        del db
        document: Values = instance(self.body).dump(row)
        return document

    def may_create(self, db: Session, principal: Principal, values: Values) -> None:
        """Raise where `principal` may not make this; the default needs `admin` on its organization."""
        if values.get("organization_id") is None:
            require_superuser(principal)
        else:
            self.own(db, principal, values["organization_id"])

    def check(self, db: Session, principal: Principal, values: Values, row: Any | None) -> None:
        """Raise InvalidError for values that are wrong together or with what the database holds."""

    def columns(self, db: Session, values: Values, row: Any | None) -> Values:
        """What is stored in the row itself."""
        del db, row
        return values

    def stored(self, db: Session, principal: Principal, row: Any, values: Values, *, created: bool) -> None:
        """Called when the row is in the database: rows that belong to it go here."""

    def before_delete(self, db: Session, principal: Principal, row: Any) -> None:
        """Raise ConflictError where `row` may not go."""

    def present(self, db: Session, rows: Sequence[Any]) -> Sequence[Any]:
        """Rows as what `out` dumps; here a resource loads what its items need, for all of them at once."""
        del db
        return rows

    # Helpers for hooks

    def own(self, db: Session, principal: Principal, organization_id: int) -> None:
        """The organization must be visible (422 where not), and `principal` its admin (403 where not)."""
        reference(db, principal, "organization", organization_id, "/organization_id", ADMIN)

    # Use cases

    def page(self, db: Session, principal: Principal, args: Values) -> Values:
        """One page of what `principal` may see."""
        page = paginate(db, self._selected(principal, args), args, self._orders())
        page["items"] = self.present(db, page["items"])
        return page

    def get(self, db: Session, principal: Principal, row_id: int) -> Any:
        return self.present(db, [self._find(db, principal, READ, row_id)])[0]

    def create(self, db: Session, principal: Principal, body: Any) -> Any:
        values = load(instance(self.body), self.normalized(_object(body)))
        self.may_create(db, principal, values)
        self._check_references(db, principal, values, None)
        self.check(db, principal, values, None)
        row = self.model(**self.columns(db, values, None))
        db.add(row)
        db.flush()
        self.stored(db, principal, row, values, created=True)
        db.flush()
        db.refresh(row)
        self._record(db, principal, "create", row, {}, self.writable(db, row))
        return self.present(db, [row])[0]

    def change(self, db: Session, principal: Principal, row_id: int, patch: Any) -> Any:
        row = self._find(db, principal, self.change_permission, row_id, lock=True)
        check_if_match(self.dump(db, row))
        current = self.writable(db, row)
        given = self.normalized(_object(patch))
        _refuse_unknown(given, instance(self.body))
        values = load(instance(self.body), merge_patch(current, given))
        self._check_owner(db, principal, values, row)
        self._check_references(db, principal, values, row)
        self.check(db, principal, values, row)
        for name, value in self.columns(db, values, row).items():
            if getattr(row, name) != value:
                setattr(row, name, value)
        self.stored(db, principal, row, values, created=False)
        return self._changed(db, principal, row, current)

    def _changed(self, db: Session, principal: Principal, row: Any, before: Values) -> Any:
        db.flush()
        changes = difference(before, self.writable(db, row))
        if changes and hasattr(row, "modified_at"):
            row.modified_at = func.now()
            db.flush()
        db.refresh(row)
        if changes:
            self._record(db, principal, "update", row, before, self.writable(db, row))
        return self.present(db, [row])[0]

    def delete(self, db: Session, principal: Principal, row_id: int) -> None:
        row = self._find(db, principal, self.change_permission, row_id, lock=True)
        check_if_match(self.dump(db, row))
        self.before_delete(db, principal, row)
        self._refuse_if_used(db, principal, row)
        before = self.writable(db, row)
        db.execute(delete(self.model).where(self.model.id == row.id))
        if self.kind in GRANTABLE:
            db.execute(
                delete(RoleAssignment).where(
                    RoleAssignment.resource_type == self.kind, RoleAssignment.resource_id == row.id
                )
            )
        self._record(db, principal, "delete", row, before, {})
        db.expunge(row)

    def dump(self, db: Session, row: Any) -> Values:
        """What a client sees of `row`."""
        document: Values = instance(self.out).dump(self.present(db, [row])[0])
        return document

    # Inside

    def _find(
        self, db: Session, principal: Principal, permission: str, row_id: int, *, lock: bool = False
    ) -> Any:
        return find(db, self.model, principal, permission, row_id, *self.scope(), lock=lock)

    def _orders(self) -> Orders:
        return {name: getattr(self.model, name) for name in self.order_fields}

    def _selected(self, principal: Principal, args: Values) -> Select[Any]:
        own = self.filters()
        conditions = [visible(self.model, principal), *self.scope()]
        for name, value in args.items():
            if name in PAGE_FIELDS or value is None:
                continue
            if name in own:
                conditions.append(own[name](value))
            elif name == "name":
                conditions.append(contains(self.model.name, value))
            else:
                conditions.append(getattr(self.model, name) == value)
        return select(self.model).where(*conditions)

    def _check_owner(self, db: Session, principal: Principal, values: Values, row: Any) -> None:
        """Who moves a resource to another organization must be admin of that one too."""
        if "organization_id" in values and values["organization_id"] != row.organization_id:
            self.may_create(db, principal, values)

    def _check_references(self, db: Session, principal: Principal, values: Values, row: Any | None) -> None:
        """A reference must be visible and usable, but one that stays as it was is nobody's business."""
        for name, (resource_type, permission) in self.references.items():
            wanted = values.get(name)
            if wanted is not None and (row is None or getattr(row, name) != wanted):
                reference(db, principal, resource_type, wanted, f"/{name}", permission)

    def _refuse_if_used(self, db: Session, principal: Principal, row: Any) -> None:
        for model, column in self.used_by:
            users = select(model.id, model.name, visible(model, principal).label("seen"))
            found = db.execute(users.where(getattr(model, column) == row.id).limit(NAMED_USERS)).all()
            if found:
                raise ConflictError(f"{label_of(self.model)} {row.id} is in use by {named(model, found)}")

    def _record(
        self, db: Session, principal: Principal, action: str, row: Any, before: Values, after: Values
    ) -> None:
        organization_id = row.id if self.kind == "organization" else getattr(row, "organization_id", None)
        changes = difference(before, after)
        record(db, principal, action, self.kind, row.id, organization_id=organization_id, changes=changes)


def named(model: Any, found: Iterable[Any]) -> str:
    return ", ".join(
        f"{label_of(model)} {user.id} ({user.name})" if user.seen else f"a {label_of(model)} you cannot see"
        for user in found
    )


def _object(body: Any) -> Values:
    if not isinstance(body, dict):
        raise InvalidError(FieldError("", "must be an object"))
    return body


def _refuse_unknown(patch: Values, schema: ma.Schema) -> None:
    """A null for an unknown field would vanish in the merge unseen."""
    unknown = [key for key in patch if key not in schema.load_fields]
    if unknown:
        raise InvalidError(*(FieldError(f"/{pointer_token(key)}", "Unknown field.") for key in unknown))
