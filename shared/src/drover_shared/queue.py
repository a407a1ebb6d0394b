"""The doorbells: small messages that say "look into the database"; losing one costs a tick, never a job."""

from typing import Any
from uuid import UUID

import redis
from celery import Celery
from kombu import Connection, Exchange, Producer, Queue
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.retry import Retry

from drover_shared.logging import get_logger
from drover_shared.messages.commands import run_available
from drover_shared.pause import Pause
from drover_shared.redis_address import RedisAddress

SCHEDULE_JOB = "scheduler.schedule_job"
SCHEDULER_QUEUE = "scheduler"

_SOCKET_SECONDS = 0.5
_log = get_logger("drover.queue")


def transport_options(
    address: RedisAddress, *, socket_timeout: float = 5.0, unacked: str = "unacked"
) -> dict[str, Any]:
    """Options of kombu's Redis transport: short time-outs, so that a dead broker costs little.

    `unacked` starts the keys of messages in hand, so that Redis can keep one kind of consumer from another's.
    """
    return {
        "socket_timeout": socket_timeout,
        "socket_connect_timeout": _SOCKET_SECONDS,
        "visibility_timeout": 30,
        "unacked_key": unacked,
        "unacked_index_key": f"{unacked}_index",
        "unacked_mutex_key": f"{unacked}_mutex",
        **address.broker_options,
    }


def broker_connection(redis_url: str, **options: Any) -> Connection:
    """A connection of kombu's that opens nothing yet; `options` as for `transport_options`."""
    address = RedisAddress.parse(redis_url)
    return Connection(
        address.broker_url, ssl=address.broker_ssl, transport_options=transport_options(address, **options)
    )


def quick_client(redis_url: str, seconds: float = _SOCKET_SECONDS) -> redis.Redis:
    """A client for what must not wait for a broker that is away: so long, and no second try."""
    return RedisAddress.parse(redis_url).client(
        socket_connect_timeout=_SOCKET_SECONDS,
        socket_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
    )


def celery_app(redis_url: str) -> Celery:
    """The Celery application, the same for those who send and those who work; it connects on first use."""
    address = RedisAddress.parse(redis_url)
    app = Celery("drover", broker=address.broker_url)
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        task_serializer="json",
        accept_content=["json"],
        broker_transport_options=transport_options(address),
        broker_use_ssl=address.broker_ssl,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_hijack_root_logger=False,
        task_default_queue=SCHEDULER_QUEUE,
        enable_utc=True,
    )
    return app


def pool_queue(pool: str) -> Queue:
    """The queue that executors of `pool` listen on."""
    name = f"runs.{pool}"
    return Queue(name, Exchange("runs", type="direct"), routing_key=name, durable=True)


class Doorbell:
    """Rings after a commit, once, with a short time-out; a failure is logged and forgotten.

    After it nobody waits on the broker for as long as `pause` lasts; the tick does the work.
    Not safe for use by several threads at once: a thread has its own.
    """

    def __init__(self, redis_url: str, pause: Pause | None = None) -> None:
        self._app = celery_app(redis_url)
        self._url = redis_url
        self._connection: Connection | None = None
        self._pause = pause or Pause()

    def job_waits(self, job_id: int) -> bool:
        """Tell the scheduler about a job; returns whether the broker took the message."""
        return self._ring(lambda: self._send_task(job_id))

    def run_waits(self, run_id: UUID, pool: str) -> bool:
        """Tell the executors of a pool about a run; returns whether the broker took the message."""
        return self._ring(lambda: self._publish(run_id, pool))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.release()
            self._connection = None

    def _ring(self, send: Any) -> bool:
        if self._pause.lasts:
            return False
        try:
            send()
        except (OperationalError, redis.RedisError, OSError) as error:
            self._pause.begin()
            self.close()
            _log.warning("doorbell_failed", error=type(error).__name__)
            return False
        return True

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = broker_connection(self._url, socket_timeout=_SOCKET_SECONDS)
            self._connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        return self._connection

    def _send_task(self, job_id: int) -> None:
        with Producer(self._connected()) as producer:
            self._app.send_task(SCHEDULE_JOB, [job_id], queue=SCHEDULER_QUEUE, producer=producer, retry=False)

    def _publish(self, run_id: UUID, pool: str) -> None:
        queue = pool_queue(pool)
        with Producer(self._connected()) as producer:
            # By the default exchange, straight into the queue: a binding would be gone with Redis' memory.
            producer.publish(
                run_available(run_id, pool),
                exchange="",
                routing_key=queue.name,
                serializer="json",
                retry=False,
            )
