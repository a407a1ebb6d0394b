"""Keeps an attempt's lease alive, and ends its work before the lease ends."""

import threading

from drover_shared.logging import get_logger

from drover_executor.client.errors import NotOursError, RefusedError, UnavailableError
from drover_executor.client.run_api import RunApi
from drover_executor.running.control import Control
from drover_executor.running.lease import Lease

_log = get_logger("drover.executor.lease")
_REQUEST_SECONDS = 5.0
_RETRY_SECONDS = 1.0


class Keeper:
    """A thread that sends heartbeats from the claim until `stop`."""

    def __init__(self, api: RunApi, control: Control, lease: Lease, interval: float) -> None:
        self._api, self._control, self._lease, self._interval = api, control, lease, interval
        self._stop = threading.Event()
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No more heartbeats when this returns."""
        self._stop.set()
        self._asked.set()
        self._thread.join()

    def _keep(self) -> None:
        wait = min(self._interval, 1.0)
        while not self._stop.is_set():
            self._asked.wait(max(0.0, min(wait, self._lease.left)))
            self._asked.clear()
            if self._stop.is_set():
                return
            if self._lease.left <= 0:
                self._control.abandon("the lease is about to end and the API does not answer")
                return
            wait = self._interval if self._beat() else min(_RETRY_SECONDS, self._interval)
            if self._control.abandoned:
                return

    def _beat(self) -> bool:
        """Whether the API answered."""
        # Half of what is left: an API that takes connections before it can answer is asked once more.
        seconds = max(0.1, min(_REQUEST_SECONDS, self._lease.left / 2))
        try:
            beat = self._api.heartbeat(*self._control.produced, seconds=seconds)
        except NotOursError as error:
            self._control.abandon(str(error))
            return True
        except (UnavailableError, RefusedError) as error:
            _log.warning("heartbeat_failed", error=str(error), lease_left=round(self._lease.left, 1))
            return False
        if not self._lease.renew(beat.sent_at):
            self._control.abandon("the lease ended before the API answered")
            return True
        self._control.ask_cancel(beat.cancel)
        self._control.tell_stored(beat.stored)
        return True
