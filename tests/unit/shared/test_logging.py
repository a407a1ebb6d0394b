"""The level changes while a process runs."""

import json
import signal
import subprocess
import sys

PROGRAM = """
import sys
from drover_shared.logging import configure, get_logger
from drover_shared.settings import LogSettings
configure("test", LogSettings(level="warning"))
log = get_logger("test")
for line in sys.stdin:
    log.debug(line.strip(), job_id=7)
    log.warning("heard")
"""


def test_a_signal_turns_debug_on_and_off() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdin is not None
    assert process.stderr is not None

    def say(word: str) -> list[dict[str, object]]:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(f"{word}\n")
        lines: list[dict[str, object]] = []
        while not lines or lines[-1]["event"] != "heard":
            lines.append(json.loads(process.stderr.readline()))
        return lines[:-1]

    def toggle() -> str:
        process.send_signal(signal.SIGUSR1)
        assert process.stderr is not None
        told = json.loads(process.stderr.readline())
        assert told["event"] == "log_level_changed"
        return str(told["now"])

    try:
        assert say("unheard") == []
        assert toggle() == "debug"
        [line] = say("now")
        assert (line["event"], line["level"], line["job_id"], line["service"]) == ("now", "debug", 7, "test")
        assert toggle() == "warning"
        assert say("unheard again") == []
    finally:
        process.kill()
        process.wait()
