"""Rings the live readers of a run: best effort, they look into the database by themselves too."""

from contextlib import suppress
from uuid import UUID

import redis
from drover_shared.messages.streams import run_channel

STATE = "state"


def ring_state(client: "redis.Redis", run_id: UUID) -> None:
    """Say that a run or its job changed state; called after the commit."""
    with suppress(redis.RedisError):
        client.publish(run_channel(run_id), STATE)
