"""Versions of credentials that launches froze: made by launches, and gone once nobody needs them."""

from collections.abc import Iterable

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

_CURRENT = text("""
    SELECT snapshots.id, snapshots.credential_id FROM credential_snapshots AS snapshots
    JOIN credentials ON credentials.id = snapshots.credential_id
        AND credentials.modified_at = snapshots.credential_modified_at
    JOIN credential_types ON credential_types.id = credentials.credential_type_id
        AND credential_types.modified_at = snapshots.type_modified_at
    WHERE snapshots.credential_id = ANY(:ids)
""")
_HOLD = text("SELECT FROM credentials WHERE id = ANY(:ids) ORDER BY id FOR SHARE")
_FREEZE = text("""
    INSERT INTO credential_snapshots (
        credential_id, credential_modified_at, type_modified_at, name, namespace, inputs, injectors, secrets,
        asked_names, key_id
    )
    SELECT credentials.id, credentials.modified_at, credential_types.modified_at, credentials.name, namespace,
           credentials.inputs, injectors, secrets, asked_names, key_id
    FROM credentials JOIN credential_types ON credential_types.id = credential_type_id
    WHERE credentials.id = ANY(:ids) ORDER BY credentials.id
    ON CONFLICT DO NOTHING
""")
_FORGET = text("""
    DELETE FROM credential_snapshots AS snapshots
    USING credentials, credential_types
    WHERE credentials.id = snapshots.credential_id AND credential_types.id = credentials.credential_type_id
      AND (credentials.modified_at <> snapshots.credential_modified_at
           OR credential_types.modified_at <> snapshots.type_modified_at)
      AND NOT EXISTS (
          SELECT FROM jobs WHERE status IN ('pending', 'queued', 'running')
            AND snapshots.id = ANY(jobs.credential_snapshot_ids)
      )
""")


def freeze(db: Session, credential_ids: Iterable[int]) -> list[int]:
    """The snapshots of these credentials as they are now, made where this is the first launch of them."""
    ids = sorted(set(credential_ids))
    if not ids:
        return []
    found = db.execute(_CURRENT, {"ids": ids}).all()
    if len(found) < len(ids):
        db.execute(_HOLD, {"ids": ids})  # nobody changes them between the next two statements
        db.execute(_FREEZE, {"ids": ids})
        found = db.execute(_CURRENT, {"ids": ids}).all()
    return sorted(row.id for row in found)


def forget_old(connection: Connection) -> int:
    """Remove old versions that no live job uses, with their secrets; returns how many."""
    return connection.execute(_FORGET).rowcount
