"""What an operator runs beside the service."""

from collections.abc import Iterator
from contextlib import contextmanager

from drover_shared.db.engine import make_engine
from drover_shared.logging import get_logger
from drover_shared.settings import Environment
from sqlalchemy.orm import Session, sessionmaker

from drover_api.bootstrap import ADMIN, ensure_admin, ensure_built_ins
from drover_api.crypto import Vault
from drover_api.rotation import rotate
from drover_api.settings import secret_keys

_log = get_logger("drover.api")


@contextmanager
def _sessions(env: Environment, application: str) -> "Iterator[sessionmaker[Session]]":
    engine = make_engine(env.text("DROVER_DATABASE_URL"), pool_size=1, application=application)
    try:
        yield sessionmaker(engine)
    finally:
        engine.dispose()


def create_admin(env: Environment) -> None:
    """Make what every installation starts with; what is there already stays as it is."""
    password = env.text("DROVER_ADMIN_PASSWORD")
    with _sessions(env, "drover-create-admin") as sessions, sessions.begin() as db:
        ensure_built_ins(db)
        made = ensure_admin(db, password)
    _log.info("admin_made" if made else "admin_exists", username=ADMIN)


def rotate_keys(env: Environment) -> None:
    """Encrypt every secret with the first of DROVER_SECRET_KEYS; may run beside the service."""
    vault = Vault(secret_keys(env))
    with _sessions(env, "drover-rotate-keys") as sessions:
        done = rotate(sessions, vault)
    _log.info("keys_rotated", key_id=vault.key_id, **done)
