"""Secrets of credentials that are given at launch: an input whose stored value is `ASK`.

They are kept encrypted with the job, for all of its attempts, and go with it. A relaunch asks again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drover_shared.db.models import Credential
from drover_shared.domain.errors import FieldError, InvalidError
from sqlalchemy import select
from sqlalchemy.orm import Session

Prompted = Mapping[str, Mapping[str, str]]  # credential id (as JSON's keys are) → input → secret


def check_prompted(session: Session, credential_ids: Sequence[int], given: Prompted, pointer: str) -> None:
    """Raise InvalidError for each secret that is asked for and missing, or given and not asked for."""
    if not credential_ids and not given:
        return
    asked = select(Credential.id, Credential.asked_names).where(
        Credential.id.in_(credential_ids), Credential.asked_names != []
    )
    wanted = {str(row.id): set(row.asked_names) for row in session.execute(asked)}
    if errors := list(_faults(wanted, given, f"{pointer}/credential_secrets")):
        raise InvalidError(*errors)


def _faults(wanted: Mapping[str, set[str]], given: Prompted, pointer: str) -> Iterator[FieldError]:
    for credential_id, names in wanted.items():
        for name in sorted(names - set(given.get(credential_id, {}))):
            yield FieldError(f"{pointer}/{credential_id}/{name}", "The credential asks for it at launch.")
    for credential_id, secrets in given.items():
        for name in sorted(set(secrets) - wanted.get(credential_id, set())):
            yield FieldError(
                f"{pointer}/{credential_id}/{name}", "The launch's credentials do not ask for it."
            )


def with_prompted(
    inputs: Mapping[str, Any], asked: Sequence[str], given: Mapping[str, str]
) -> dict[str, Any]:
    """A credential's inputs as the run gets them; what was asked for and is not there is left out."""
    stored = {name: value for name, value in inputs.items() if name not in asked}
    return stored | {name: given[name] for name in asked if name in given}
