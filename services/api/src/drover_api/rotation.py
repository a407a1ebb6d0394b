"""Re-encrypt every secret with the first key, so that the keys after it can be retired."""

from collections.abc import Callable
from typing import Any

from drover_shared.db.models import Credential, CredentialSnapshot, Job
from sqlalchemy import or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, sessionmaker

from drover_api.crypto import Vault

BATCH = 200


def rotate(sessions: "sessionmaker[Session]", vault: Vault) -> dict[str, int]:
    """Returns how many credentials and jobs were re-encrypted; may be stopped and run again at any time.

    A batch a transaction, in the order of ids; rows are locked against a change meanwhile. Raises
    InfrastructureError at the first secret that none of the keys opens.
    """
    return {
        "credentials": _all(sessions, lambda db, after: _credentials(db, vault, after)),
        "credential_snapshots": _all(sessions, lambda db, after: _snapshots(db, vault, after)),
        "jobs": _all(sessions, lambda db, after: _jobs(db, vault, after)),
    }


def _all(sessions: "sessionmaker[Session]", batch: Callable[[Session, int], list[int]]) -> int:
    done, after = 0, 0
    while True:
        with sessions.begin() as db:
            ids = batch(db, after)
        if not ids:
            return done
        done, after = done + len(ids), ids[-1]


def _credentials(db: Session, vault: Vault, after: int) -> list[int]:
    """`modified_at` stays: what a client sees has not changed."""
    stale = or_(Credential.key_id.is_(None), Credential.key_id != vault.key_id)
    held = select(Credential.id, Credential.secrets).where(Credential.secrets.is_not(None), stale)
    rows = db.execute(_next(held, Credential.id, after)).all()
    for row_id, secrets in rows:
        fresh = {"secrets": vault.encrypt(vault.decrypt(secrets)), "key_id": vault.key_id}
        unchanged = {"modified_at": Credential.modified_at}
        db.execute(update(Credential).where(Credential.id == row_id).values(**fresh, **unchanged))
    return [row.id for row in rows]


def _snapshots(db: Session, vault: Vault, after: int) -> list[int]:
    stale = or_(CredentialSnapshot.key_id.is_(None), CredentialSnapshot.key_id != vault.key_id)
    held = select(CredentialSnapshot.id, CredentialSnapshot.secrets).where(
        CredentialSnapshot.secrets.is_not(None), stale
    )
    rows = db.execute(_next(held, CredentialSnapshot.id, after)).all()
    for row_id, secrets in rows:
        fresh = {"secrets": vault.encrypt(vault.decrypt(secrets)), "key_id": vault.key_id}
        db.execute(update(CredentialSnapshot).where(CredentialSnapshot.id == row_id).values(**fresh))
    return [row.id for row in rows]


def _jobs(db: Session, vault: Vault, after: int) -> list[int]:
    """Jobs do not tell their key, so all secret answers are encrypted anew."""
    held = select(Job.id, Job.secret_vars, Job.credential_secrets).where(
        or_(Job.secret_vars.is_not(None), Job.credential_secrets.is_not(None))
    )
    rows = db.execute(_next(held, Job.id, after)).all()
    for row in rows:
        fresh = {
            name: None if secrets is None else vault.encrypt(vault.decrypt(secrets))
            for name, secrets in (
                ("secret_vars", row.secret_vars),
                ("credential_secrets", row.credential_secrets),
            )
        }
        db.execute(update(Job).where(Job.id == row.id).values(**fresh))
    return [row.id for row in rows]


def _next(held: Any, row_id: "InstrumentedAttribute[int]", after: int) -> Any:
    return held.where(row_id > after).order_by(row_id).limit(BATCH).with_for_update()
