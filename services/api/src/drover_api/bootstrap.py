"""What every installation starts with: the first administrator and the built-in resources."""

from typing import Any

from drover_shared.db.models import CredentialType, ExecutionEnvironment, ExecutorPool, User
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from drover_api.access.passwords import hash_password
from drover_api.credential_types import BUILT_IN

ADMIN = "admin"
DEFAULT_POOL = "default"
DEFAULT_ENVIRONMENT = "Default execution environment"
DEFAULT_IMAGE = "quay.io/ansible/awx-ee:latest"


def ensure_admin(db: Session, password: str) -> bool:
    """Make the user `admin` a superuser with `password` where there is no such user; whether it was made."""
    statement = (
        insert(User)
        .values(username=ADMIN, password_hash=hash_password(password), is_superuser=True)
        .on_conflict_do_nothing(index_elements=["username"])
        .returning(User.id)
    )
    return db.execute(statement).first() is not None


def ensure_built_ins(db: Session) -> None:
    """Make what is missing of the default pool, the managed environment and the built-in credential types."""
    db.execute(insert(ExecutorPool).values(name=DEFAULT_POOL).on_conflict_do_nothing())
    _ensure_environment(db)
    for row in BUILT_IN:
        values: dict[str, Any] = {**row, "managed": True}
        db.execute(
            insert(CredentialType)
            .values(**values)
            .on_conflict_do_update(
                index_elements=["namespace"],
                set_={key: values[key] for key in ("name", "description", "inputs", "injectors", "managed")},
            )
        )


def _ensure_environment(db: Session) -> None:
    managed = select(func.count()).where(
        ExecutionEnvironment.managed, ExecutionEnvironment.organization_id.is_(None)
    )
    if db.scalar(managed):
        return
    db.execute(
        insert(ExecutionEnvironment)
        .values(
            name=DEFAULT_ENVIRONMENT,
            description="Used where neither job, template nor project names one",
            image=DEFAULT_IMAGE,
            managed=True,
        )
        .on_conflict_do_nothing()
    )
