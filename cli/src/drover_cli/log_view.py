"""Shows a service's log: as it is in a pipe, readable on a terminal."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.text import Text

from drover_cli.console import out

TAIL_BYTES = 64_000
FOLLOW_SECONDS = 0.2
COLOURS = {"debug": "dim", "info": "green", "warning": "yellow", "error": "red", "critical": "bold red"}
SHOWN_FIRST = frozenset({"timestamp", "level", "event", "service", "exception"})


def readable(line: str) -> Text:
    """A JSON line as `time level event key=value …`, its traceback below; any other line as it is."""
    try:
        entry = json.loads(line)
        level, event = str(entry["level"]), str(entry["event"])
    except (ValueError, KeyError, TypeError):
        return Text(line)
    rest = " ".join(f"{key}={value}" for key, value in entry.items() if key not in SHOWN_FIRST)
    shown = Text.assemble(
        (str(entry.get("timestamp", ""))[11:19], "dim"),
        " ",
        (f"{level:<8}", COLOURS.get(level, "")),
        (event, "bold"),
        f"  {rest}" if rest else "",
    )
    if "exception" in entry:
        shown.append(f"\n{entry['exception']}", "red")
    return shown


def copy_log(path: Path, *, follow: bool) -> None:
    """Write the end of the log to stdout, then what is added to it when `follow`."""
    show: Callable[[str], None] = print_readable if sys.stdout.isatty() else print_raw
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL_BYTES))
        if size > TAIL_BYTES:
            file.readline()  # the first line is a torn one
        torn = b""
        while True:
            *lines, torn = (torn + file.read()).split(b"\n")
            for line in lines:
                show(line.decode(errors="replace"))
            sys.stdout.flush()
            if not follow:
                return
            time.sleep(FOLLOW_SECONDS)


def print_raw(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def print_readable(line: str) -> None:
    out.print(readable(line), soft_wrap=True)
