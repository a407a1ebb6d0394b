"""What every entry point does: settings errors on one line, and a clean stop on a signal."""

import signal
import sys
import threading
from collections.abc import Callable

from drover_shared.settings import SettingsError


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set; loops wait on it instead of sleeping."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def run_main(main: Callable[[], int]) -> None:
    """Exit with what `main` returns; a settings error is one line on stderr and exit status 2."""
    try:
        sys.exit(main())
    except SettingsError as error:
        sys.stderr.write(f"drover: {error}\n")
        sys.exit(2)
