"""The clock leases are counted by: it goes on while the machine sleeps, when the API's does too."""

import time


def lease_clock() -> float:
    """Seconds from an unknown start, never backwards, sleep included where the system can tell."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
