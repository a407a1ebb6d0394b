"""Reports the end of an attempt, and stays until all of its output is stored."""

import time
from collections.abc import Callable
from pathlib import Path

from drover_shared.logging import get_logger

from drover_executor.client.errors import NotOursError, RefusedError, UnavailableError
from drover_executor.client.run_api import Outcome, RunApi
from drover_executor.running.control import Control
from drover_executor.running.record import Record
from drover_executor.shipping.shipper import Shipper

_log = get_logger("drover.executor.finish")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
PATIENCE_SECONDS = 6 * 3600.0  # a store that is away for longer costs the rest of the output, and is logged


class Finisher:
    """`reported` is called once, when the API knows of the end. `folder` keeps its `Record` while it must."""

    def __init__(
        self,
        api: RunApi,
        control: Control,
        shipper: Shipper,
        folder: Path,
        reported: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._control, self._shipper, self._folder = api, control, shipper, folder
        self._reported, self._monotonic = reported, monotonic

    def finish(self, outcome: Outcome) -> bool:
        """Whether everything is stored. Where this executor stops before, the folder's `Record` stays.

        Nothing but the answer to `finish` itself takes the attempt away now: a heartbeat that crosses it is
        told that the attempt is over, because it is.
        """
        give_up_at = self._monotonic() + PATIENCE_SECONDS
        pause = _FIRST_PAUSE
        while self._monotonic() < give_up_at:
            if self._control.stopping:
                _log.warning("finish_postponed", why=self._control.abandoned)
                return False
            over = self._ask(outcome)
            if over is not None:
                Record.forget(self._folder)
                return over
            self._control.changed.wait(pause)
            self._control.quiet()
            pause = min(_LONGEST_PAUSE, pause * 1.5)
        _log.error("output_given_up", **self._shipper.totals())
        Record.forget(self._folder)
        return False

    def _ask(self, outcome: Outcome) -> bool | None:
        """True when all is stored, False when nobody wants the rest, None to ask again."""
        self._shipper.send()
        try:
            stored = self._api.finish(outcome, self._shipper.totals())
        except UnavailableError as error:
            _log.warning("finish_failed", error=str(error))
            return None
        except (NotOursError, RefusedError) as error:
            _log.warning("finish_refused", error=str(error))
            return False
        self._reported()
        if stored is None:
            return True
        self._shipper.hear(stored)
        return None
