"""Reports the end of an attempt, and stays until all of its output is stored."""

import time
from collections.abc import Callable

from drover_shared.logging import get_logger

from drover_executor.client.errors import NotOursError, RefusedError, UnavailableError
from drover_executor.client.run_api import Outcome, RunApi
from drover_executor.running.control import Control, Lease
from drover_executor.running.keeper import Keeper
from drover_executor.shipping.shipper import Shipper

_log = get_logger("drover.executor.finish")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
PATIENCE_SECONDS = 6 * 3600.0  # a store that is away for longer costs the rest of the output, and is logged


class Finisher:
    """`monotonic` is injectable; `control` ends the waiting when this executor stops."""

    def __init__(
        self,
        api: RunApi,
        control: Control,
        shipper: Shipper,
        keeper: Keeper,
        lease: Lease,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._control, self._shipper = api, control, shipper
        self._keeper, self._lease, self._monotonic = keeper, lease, monotonic

    def finish(self, outcome: Outcome) -> bool:
        """Whether everything is stored. The keeper's heartbeats go on until the end is reported."""
        give_up_at = self._monotonic() + PATIENCE_SECONDS
        pause, reported = _FIRST_PAUSE, False
        while self._monotonic() < give_up_at:
            if self._control.abandoned:
                _log.warning("finish_abandoned", why=self._control.abandoned, reported=reported)
                return False
            self._shipper.look(at_end=True)
            self._control.produced = self._shipper.produced
            self._shipper.send()
            try:
                stored = self._api.finish(outcome, self._shipper.totals())
            except UnavailableError as error:
                _log.warning("finish_failed", error=str(error))
            except (NotOursError, RefusedError) as error:
                _log.warning("finish_refused", error=str(error))
                return False
            else:
                if not reported:
                    self._keeper.stop()
                    reported = True
                if stored is None:
                    return True
                self._shipper.hear(stored)
            self._control.changed.wait(pause)
            self._control.quiet()
            pause = min(_LONGEST_PAUSE, pause * 1.5)
        _log.error("output_given_up", **self._shipper.totals())
        return False
