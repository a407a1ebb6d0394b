"""Loaded into schemathesis's process: keeps it from cutting off its own access, and from endless streams."""

import json
import os
from typing import Any

import schemathesis

_KNOWN: dict[str, Any] = json.loads(os.environ["FUZZ_KNOWN"])
_OWN = {
    ("DELETE", "/api/v1/tokens/{token_id}"): ("token_id", _KNOWN["token_id"]),
    ("DELETE", "/api/v1/users/{id}"): ("id", _KNOWN["admin_id"]),
    ("PATCH", "/api/v1/users/{id}"): ("id", _KNOWN["admin_id"]),
    ("DELETE", "/api/v1/executors/{id}"): ("id", _KNOWN["executor"]),
}
_NOBODY = 2**62
_LIVE = (
    "/api/v1/jobs/{job_id}/events",
    "/api/v1/jobs/{job_id}/log",
    "/api/v1/job-runs/{run_id}/events",
    "/api/v1/job-runs/{run_id}/log",
)


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: Any, _kwargs: dict[str, Any]) -> None:
    parameters = case.path_parameters
    own = _OWN.get((case.method, case.operation.path))
    if own is not None and str(parameters.get(own[0])) == str(own[1]):
        parameters[own[0]] = _NOBODY
    if case.operation.path in _LIVE and _is_live(case):
        name = "job_id" if "job_id" in parameters else "run_id"
        if not _is_known(parameters[name]):
            return
        parameters[name] = _KNOWN["job" if name == "job_id" else "run"]


def _is_live(case: Any) -> bool:
    accept = str((case.headers or {}).get("Accept", ""))
    follow = (case.query or {}).get("follow")
    return (
        "event-stream" in accept
        or "event-stream" in str(case.media_type)
        or follow not in (None, False, "false")
    )


def _is_known(value: object) -> bool:
    """A job or run that may exist: one that never ends would keep its reader for ever."""
    return str(value).isdigit() or "-" in str(value)
