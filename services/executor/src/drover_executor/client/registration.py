"""An executor's identity at the API: registered again whenever its token is not known any more."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from drover_executor.client.errors import UnauthorizedError
from drover_executor.client.transport import Answer, Transport

# What this executor does beyond the first release's protocol: a run that needs it is not given to others.
KNOWS = {"slices": True}


@dataclass(frozen=True, slots=True)
class Identity:
    """What registration answers; `heartbeat_seconds` is how often the executor reports."""

    id: int | str
    token: str
    heartbeat_seconds: float


class Registration:
    """Registers on first use; safe for many threads."""

    def __init__(
        self,
        transport: Transport,
        token: str,
        name: str,
        pools: tuple[str, ...],
        slots: int,
        version: str,
        isolation: str,
    ) -> None:
        self._transport, self._token = transport, token
        self._body = {
            "name": name,
            "pools": list(pools),
            "slots": slots,
            "version": version,
            "isolation": isolation,
        }
        self._lock = threading.Lock()
        self._identity: Identity | None = None

    def identity(self) -> Identity:
        """Raises ApiError; RefusedError or UnauthorizedError when the registration token is wrong."""
        with self._lock:
            if self._identity is None:
                answer = self._transport.call("POST", "/executors", self._token, self._body)
                self._identity = Identity(
                    answer["id"], str(answer["token"]), float(answer["heartbeat_interval_seconds"])
                )
            return self._identity

    def heartbeat(self, running: list[UUID]) -> bool:
        """Report the runs in hand; returns whether the API wants this executor drained. Raises ApiError."""
        body = {"running": [str(run_id) for run_id in running]}
        return bool(self._call("heartbeat", body, seconds=10.0).body.get("drain", False))

    def next_run(self, wait_seconds: int, pools: tuple[str, ...]) -> UUID | None:
        """Ask for a pending run, waiting on the server for up to `wait_seconds`. Raises ApiError."""
        body = {"wait_seconds": wait_seconds, "pools": list(pools), **KNOWS}
        answer = self._call("next", body, seconds=wait_seconds + 10.0)
        return UUID(str(answer["job_run_id"])) if answer.body else None

    def claim(self, run_id: UUID) -> Answer:
        """Claim a run. Raises ApiError; NotOursError when another executor has it or it is over."""
        return self._as_me(
            lambda me: self._transport.call(
                "POST", f"/job-runs/{run_id}/claim", me.token, {"executor_id": me.id, **KNOWS}
            )
        )

    def _call(self, what: str, body: object, *, seconds: float) -> Answer:
        return self._as_me(
            lambda me: self._transport.call(
                "POST", f"/executors/{me.id}/{what}", me.token, body, seconds=seconds
            )
        )

    def _as_me(self, call: Callable[[Identity], Answer]) -> Answer:
        """A token that is not known any more is renewed once."""
        me = self.identity()
        try:
            return call(me)
        except UnauthorizedError:
            self._forget(me)
        return call(self.identity())

    def _forget(self, known: Identity) -> None:
        with self._lock:
            if self._identity is known:
                self._identity = None
