"""Rotation: every secret under the first key, and nothing else changed."""

from datetime import UTC, datetime

from cryptography.fernet import Fernet
from drover_api.crypto import Vault
from drover_api.rotation import BATCH, rotate
from drover_shared.db.models import Credential, CredentialType
from sqlalchemy import Engine, select
from sqlalchemy.orm import sessionmaker

CHANGED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_all_secrets_end_under_the_first_key(engine: Engine) -> None:
    old, new = (f"{name}:{Fernet.generate_key().decode()}" for name in ("old", "new"))
    sessions = sessionmaker(engine)
    before = Vault([old])
    with sessions.begin() as db:
        kind = CredentialType(name="Machine", namespace="machine")
        db.add(kind)
        db.flush()
        db.add_all(
            Credential(
                name=f"c{n}",
                credential_type_id=kind.id,
                secrets=before.encrypt({"password": f"p{n}"}),
                secret_names=["password"],
                key_id="old",
                modified_at=CHANGED_AT,
            )
            for n in range(BATCH + 5)
        )
        db.add(Credential(name="empty", credential_type_id=kind.id))
    assert rotate(sessions, Vault([new, old])) == {
        "credentials": BATCH + 5,
        "credential_snapshots": 0,
        "jobs": 0,
    }
    assert rotate(sessions, Vault([new, old])) == {
        "credentials": 0,
        "credential_snapshots": 0,
        "jobs": 0,
    }
    alone = Vault([new])
    with sessions() as db:
        for row in db.scalars(select(Credential).where(Credential.secrets.is_not(None))):
            assert alone.decrypt(row.secrets) == {"password": f"p{row.name[1:]}"}
            assert (row.key_id, row.modified_at) == ("new", CHANGED_AT)
        assert db.scalars(select(Credential.secrets).where(Credential.name == "empty")).one() is None
