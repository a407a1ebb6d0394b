"""Telling live readers that something new is stored; best effort, for they also look by themselves."""

from collections.abc import Iterable
from uuid import UUID

import redis

from drover_shared.logging import get_logger
from drover_shared.messages.streams import run_channel

_log = get_logger("drover.streams")


def ring_runs(client: redis.Redis, run_ids: Iterable[UUID], what: str) -> None:
    """Publish `what` (events, log or state) for each run; a failure is logged and forgotten."""
    try:
        with client.pipeline(transaction=False) as pipeline:
            for run_id in run_ids:
                pipeline.publish(run_channel(run_id), what)
            pipeline.execute()
    except redis.RedisError as error:
        _log.warning("bell_failed", error=type(error).__name__)
