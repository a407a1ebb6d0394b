"""The secrets of a run's job, so that what should have been masked before it was sent still is.

Executors mask; this is the second line, for one that does not, or not well. It needs the keys that decrypt
credentials: without `DROVER_SECRET_KEYS` nothing is masked here.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Protocol
from uuid import UUID

from drover_shared.domain.errors import InfrastructureError
from drover_shared.logging import get_logger
from drover_shared.masking import SHORTEST, Masker
from drover_shared.vault import Vault
from sqlalchemy import Engine, text

_RUNS = 1000  # whose secrets are kept in memory
_JOB = text("""
    SELECT j.credential_snapshot_ids, j.secret_vars, j.credential_secrets
    FROM job_runs AS r JOIN jobs AS j ON j.id = r.job_id WHERE r.id = :run
""")
_CREDENTIALS = text("""
    SELECT secrets FROM credential_snapshots WHERE id = ANY(CAST(:ids AS bigint[])) AND secrets IS NOT NULL
""")
_log = get_logger("drover.event_ingest")


class Secrets(Protocol):
    """Tells how a run's events are masked."""

    def masker_of(self, run_id: UUID) -> Masker | None:
        """None where nothing of the run is secret. Raises where the database is away."""
        ...


class NoSecrets:
    def masker_of(self, run_id: UUID) -> Masker | None:  # noqa: ARG002 - see the protocol
        return None


class StoredSecrets:
    """Of credentials and answers, as the run's launch froze them."""

    def __init__(self, engine: Engine, vault: Vault) -> None:
        self._engine, self._vault = engine, vault
        self._known: OrderedDict[UUID, Masker | None] = OrderedDict()

    def masker_of(self, run_id: UUID) -> Masker | None:
        if run_id in self._known:
            self._known.move_to_end(run_id)
            return self._known[run_id]
        values = sorted(set(self._read(run_id)))
        masker = self._known[run_id] = Masker(values) if values else None
        if len(self._known) > _RUNS:
            self._known.popitem(last=False)
        return masker

    def _read(self, run_id: UUID) -> Iterator[str]:
        with self._engine.connect() as connection:
            job = connection.execute(_JOB, {"run": run_id}).one_or_none()
            if job is None:
                return
            held = connection.scalars(_CREDENTIALS, {"ids": job.credential_snapshot_ids}).all()
        tokens = [*held, job.secret_vars, job.credential_secrets]
        for token in tokens:
            try:
                values = self._vault.decrypt(token)
            except InfrastructureError:  # a key that is gone must not hold up every event
                _log.warning("secret_not_readable", job_run_id=str(run_id))
                continue
            yield from _texts(list(values.values()))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None and len(str(value)) >= SHORTEST and not isinstance(value, bool):
        yield str(value)
