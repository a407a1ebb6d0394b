"""schemathesis with all checks and phases against a running API."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from support.api import ADMIN_PASSWORD, REGISTRATION_TOKEN
from support.api_process import Known

TESTS = Path(__file__).parent.parent
# What a schema cannot say: ids that do not exist, rules between fields, too many wrong passwords. Only these
# statuses may refuse data that the schema allows.
_RULES = ["2xx", "304", "401", "403", "404", "409", "410", "412", "416", "422", "429"]


def strict_document(url: str) -> dict[str, Any]:
    """The served document without `default` answers, so that each status must be a documented one."""
    document: dict[str, Any] = httpx.get(f"{url}/api/v1/openapi.json", timeout=30).json()
    for item in document["paths"].values():
        for operation in item.values():
            del operation["responses"]["default"]
    return document


def config(known: Known) -> dict[str, Any]:
    """schemathesis.toml as data: who asks, and real ids to ask for."""
    ids = known.ids
    dictionaries = {
        "jobs": [ids["job"], ids["job"] - 1, ids["job"] - 2],
        "runs": [ids["run"], ids["claimed_run"], ids["pending_run"]],
        "small": [1, 2, 3, 5, 6, 9, 17, 42],
    }
    bound = {"path.job_id": "jobs", "path.run_id": "runs"}
    small = ("id", "token_id", "team_id", "user_id", "assignment_id", "inventory_id", "host_id", "group_id")
    bound |= {
        f"path.{name}": "small"
        for name in (*small, "child_id", "activity_id", "executor_id", "credential_id")
    }
    return {
        "hooks": "support.fuzz_hooks",
        "request-timeout": 30.0,
        "max-stream-events": 50,
        "auth": {
            "openapi": {
                "token": {"bearer": known.token},
                "password": {"username": "admin", "password": ADMIN_PASSWORD},
                "registration": {"bearer": REGISTRATION_TOKEN},
                "executor": {"bearer": known.executor_token},
                "run": {"bearer": known.run_token},
            }
        },
        "dictionaries": {name: {"values": values} for name, values in dictionaries.items()},
        "parameters": {name: {"dictionary": of, "probability": 0.8} for name, of in bound.items()},
        "checks": {"positive_data_acceptance": {"expected-statuses": _RULES}},
    }


def fuzz(
    url: str, known: Known, folder: Path, *arguments: str, timeout: float
) -> "subprocess.CompletedProcess[str]":
    """Run `st run ARGUMENTS`; 0 is a run without any failure."""
    document, settings = folder / "openapi.json", folder / "schemathesis.toml"
    document.write_text(json.dumps(strict_document(url)))
    settings.write_text(_toml(config(known)))
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run", str(document)]
    hooks = {"admin_id": known.admin_id, "token_id": known.token_id, **known.ids}
    return subprocess.run(
        [*program, "--url", url, "--no-color", *arguments],
        env={**os.environ, "PYTHONPATH": str(TESTS), "FUZZ_KNOWN": json.dumps(hooks)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def _toml(values: Mapping[str, Any], table: Sequence[str] = ()) -> str:
    """TOML of nested mappings, scalars and lists of scalars."""
    plain = [
        f"{json.dumps(key)} = {json.dumps(value)}"
        for key, value in values.items()
        if not isinstance(value, Mapping)
    ]
    nested = [_toml(value, (*table, key)) for key, value in values.items() if isinstance(value, Mapping)]
    head = [f"[{'.'.join(map(json.dumps, table))}]"] if table and plain else []
    return "\n".join([*head, *plain, *nested])
