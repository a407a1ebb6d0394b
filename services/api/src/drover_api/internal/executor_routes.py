"""Routes that an executor calls for itself."""

from http import HTTPStatus
from typing import Any

from flask import Response

from drover_api.deps import deps
from drover_api.http.unit import session
from drover_api.internal import executors, waiting
from drover_api.internal.http import InternalBlueprint, given_token, lease_terms
from drover_api.internal.schemas import (
    DrainSchema,
    ExecutorBeatSchema,
    NextRunSchema,
    NextSchema,
    RegisteredSchema,
    RegistrationSchema,
)
from drover_api.live.later import Answer, later

blp = InternalBlueprint("internal-executors", "Executors: registration, heartbeat, next run")


@blp.post("/executors")
@blp.arguments(RegistrationSchema)
@blp.response(HTTPStatus.OK, RegisteredSchema)
def register_executor(body: dict[str, Any]) -> dict[str, Any]:
    """Register an executor, with the registration token

    The same name again keeps its id and gets a new token.
    """
    executors.check_registration_token(given_token(), deps().settings.registration_token)
    executor_id, token = executors.register(session(), executors.Registration(**body))
    terms = lease_terms()
    return {
        "id": executor_id,
        "token": token,
        "lease_seconds": terms.lease_seconds,
        "heartbeat_interval_seconds": terms.heartbeat_interval_seconds,
    }


@blp.post("/executors/<id:executor_id>/heartbeat")
@blp.arguments(ExecutorBeatSchema)
@blp.response(HTTPStatus.OK, DrainSchema)
def executor_heartbeat(_body: dict[str, Any], executor_id: int) -> dict[str, Any]:
    """Say that an executor lives, and learn whether it should take no more work"""
    executor = executors.named_executor(session(), given_token(), executor_id)
    return {"drain": executors.seen(session(), executor)}


@blp.post("/executors/<id:executor_id>/next")
@blp.arguments(NextSchema)
@blp.response(HTTPStatus.OK, NextRunSchema)
@blp.alt_response(HTTPStatus.NO_CONTENT, description="Nothing waits")
def executor_next_run(body: dict[str, Any], executor_id: int) -> Any:
    """Wait up to `wait_seconds` for a run of the executor's pools; claiming it is the next call"""
    executor = executors.named_executor(session(), given_token(), executor_id)
    executors.seen(session(), executor)
    knows, seconds = body["slices"], body["wait_seconds"]
    found = executors.next_run(session(), executor, body["pools"], knows_slices=knows)
    if found is not None:
        return {"job_run_id": found}
    if seconds <= 0:
        return Response(status=HTTPStatus.NO_CONTENT)
    pools = None if body["pools"] is None else tuple(sorted(body["pools"]))
    place, waiter = waiting.waiting(), waiting.Waiter(executor.id, pools, knows)

    async def wait() -> Answer:
        run_id = await place.next_run(waiter, seconds)
        if run_id is None:
            return Answer(HTTPStatus.NO_CONTENT)
        return Answer(HTTPStatus.OK, {"job_run_id": str(run_id)})

    return later(wait)
