"""How long a heartbeat waits for its answer."""

from contextlib import closing

import pytest
from drover_executor.client.errors import UnavailableError
from drover_executor.client.run_api import RunApi
from drover_executor.running.control import Control
from drover_executor.running.keeper import Keeper
from drover_executor.running.lease import Lease


class DeafApi(RunApi):
    """Takes connections and never answers; `waited` for each call."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def heartbeat(self, last_seq: int, last_log_seq: int, seconds: float) -> None:  # type: ignore[override]
        self.waited.append(seconds)
        raise UnavailableError(f"nothing after {seconds} s of {last_seq} and {last_log_seq}")


@pytest.mark.parametrize(("left", "seconds"), [(60.0, 5.0), (6.0, 3.0), (0.1, 0.1)])
def test_an_api_that_is_slow_to_start_is_asked_once_more(left: float, seconds: float) -> None:
    api = DeafApi()
    with closing(Control()) as control:
        keeper = Keeper(api, control, Lease(20, dead_at=left, monotonic=lambda: 0.0), interval=1)
        assert not keeper._beat()
    assert api.waited == [seconds]
