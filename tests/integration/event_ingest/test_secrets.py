"""Secrets that an executor let through are masked before anything is stored."""

import base64
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from cryptography.fernet import Fernet
from drover_event_ingest.batches import prepare
from drover_event_ingest.secrets import StoredSecrets
from drover_event_ingest.store import EventStore
from drover_shared.db.models import Credential, CredentialSnapshot, CredentialType
from drover_shared.vault import Vault
from sqlalchemy import Connection, Engine, insert, text
from support.output import batch_fields, entry, event
from support.runs import RunRow, add_job, add_run

PASSWORD, ANSWER = 'pass"word\\77', "answer-88"
KEY = "-----BEGIN KEY-----\n" + "\n".join(f"line{number}{'abcdefg' * number}" for number in range(1, 9))


@pytest.fixture
def vault() -> Vault:
    return Vault([f"one:{Fernet.generate_key().decode()}"])


@pytest.fixture
def run(engine: Engine, vault: Vault) -> RunRow:
    """Of a job with a credential and a secret answer."""
    values = {"name": "c", "namespace": "k", "inputs": {"username": "bob"}, "key_id": "one"}
    secrets = vault.encrypt({"password": PASSWORD, "ssh_key_data": KEY, "short": "x"})
    answers = vault.encrypt({"pin": ANSWER, "nested": {"list": [4711]}})
    moment = datetime(2025, 12, 10, tzinfo=UTC)
    with engine.begin() as connection:
        kind = add(connection, CredentialType, name="k", namespace="k", inputs={}, injectors={})
        credential = add(connection, Credential, name="c", credential_type_id=kind, inputs={})
        versions = {"credential_modified_at": moment, "type_modified_at": moment}
        frozen = add(
            connection, CredentialSnapshot, credential_id=credential, secrets=secrets, **values, **versions
        )
        job = add_job(connection, credential_snapshot_ids=[frozen], secret_vars=answers, status="running")
        return add_run(connection, job)


def add(connection: Connection, table: Any, **values: Any) -> int:
    """A row; its id."""
    return int(connection.execute(insert(table).values(**values).returning(table.id)).scalar_one())


def put(engine: Engine, run: RunRow, vault: Vault, events: list[dict[str, Any]]) -> None:
    EventStore(engine).store(prepare([entry(batch_fields(run, events))], StoredSecrets(engine, vault)))


def stored(engine: Engine) -> str:
    """All that is in the tables, as text."""
    with engine.connect() as connection:
        rows = connection.scalars(text("SELECT row_to_json(e)::text FROM job_events AS e ORDER BY seq")).all()
        letters = connection.scalars(text("SELECT body FROM dead_letters")).all()
    return "".join(rows) + "".join(bytes(letter).decode() for letter in letters)


def leaks() -> list[dict[str, Any]]:
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    return [
        event(1, msg=f"password is {PASSWORD}", nested=[{PASSWORD: 1}], changed=True),
        event(2, msg=encoded, text=orjson.dumps({"p": PASSWORD}).decode()),
        event(3, key=KEY, pin=ANSWER, number="4711"),
        event(4, host=ANSWER) | {"stdout_snippet": f"fatal: {ANSWER}", "task_name": PASSWORD},
        event(5) | {"data": f"not an object, {ANSWER}"},
        event(6, user="bob", x="x"),
    ]


def test_no_secret_reaches_a_table(engine: Engine, vault: Vault, run: RunRow) -> None:
    put(engine, run, vault, leaks())
    found = stored(engine)
    every = [PASSWORD, ANSWER, "4711", *KEY.splitlines()[1:], base64.b64encode(PASSWORD.encode()).decode()]
    forms = [form for secret in every for form in (secret, orjson.dumps(secret).decode()[1:-1])]
    assert [form for form in forms if form in found] == []
    assert found.count("$encrypted$") >= 8
    assert '"user": "bob"' in found
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT seq, event_type, changed FROM job_events ORDER BY seq")).all()
    assert [tuple(row) for row in rows] == [(seq, "TASK_OK", seq == 1) for seq in (1, 2, 3, 4, 6)]


def test_a_secret_that_is_one_of_our_own_words_breaks_nothing(engine: Engine, vault: Vault) -> None:
    with engine.begin() as connection:
        answers = vault.encrypt({"a": "TASK_OK", "b": "data", "c": "seq", "d": "2025"})
        run = add_run(connection, add_job(connection, secret_vars=answers, status="running"))
    put(engine, run, vault, [event(1, msg="data")])
    with engine.connect() as connection:
        [row] = connection.execute(text("SELECT event_type, data ->> 'msg', host FROM job_events")).all()
    assert tuple(row) == ("TASK_OK", "$encrypted$", "web01")


def test_a_key_that_is_gone_holds_nothing_up(engine: Engine, run: RunRow) -> None:
    other = Vault([f"two:{Fernet.generate_key().decode()}"])
    put(engine, run, other, [event(1)])
    assert "web01" in stored(engine)
