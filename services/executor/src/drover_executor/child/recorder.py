"""Writes what Ansible prints to the run's spool: the log's bytes, and one JSON event a line."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drover_shared.masking import MaskedStream, Masker

from drover_executor.child.encoding import encoded
from drover_executor.child.files import take_file
from drover_executor.child.mapping import completed, mapped
from drover_executor.child.markers import Marker, MarkerFilter, Text
from drover_executor.child.recap import recap_events

_PRINTED_BYTES = 64 * 1024  # kept of what is printed for one event; its snippet is shorter still
_ERROR_CHARS = 2000
_TAIL_BYTES = 16 * 1024
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_ERROR = re.compile(r"^(?:\[ERROR\]: |ERROR! )", re.MULTILINE)


class Recorder:
    """One run's events and log. `started`: a playbook began; `artifacts`: what it gave to `set_stats`."""

    def __init__(self, spool: Path, events_dir: Path, masker: Masker) -> None:
        self._events = (spool / "events.jsonl").open("wb", buffering=0)
        self._log = (spool / "log").open("wb", buffering=0)
        self._events_dir = events_dir
        self._masker = masker
        self._filter, self._stream = MarkerFilter(), MaskedStream(masker)
        self._current: dict[str, Any] | None = None
        self._printed = bytearray()
        self._lines: list[bytes] = []
        self._seq = 0
        self._tail = b""  # of the log, for what goes wrong before there are events
        self._last_error = ""
        self.size = 0  # bytes written so far
        self.started = False
        self.artifacts: dict[str, Any] = {}

    @property
    def last_error(self) -> str:
        """Ansible's last error message, empty for none: without an event where no playbook began."""
        if self._last_error or self.started:
            return self._last_error
        printed = _COLOUR.sub("", self._tail.decode(errors="replace"))
        return _ERROR.split(printed)[-1].strip()[:_ERROR_CHARS]

    def feed(self, data: bytes) -> None:
        """Record a piece of output; what is certain of it is on disk when this returns."""
        self._take(self._filter.feed(data))
        self._flush()

    def close(self, rc: int, status: str) -> None:
        """Record the end. Nothing may be fed afterwards."""
        self._take(self._filter.close())
        self._emit()
        self._write_log(self._stream.close())
        self._add(completed(rc, status, datetime.now(UTC)))
        self._flush()
        self._events.close()
        self._log.close()

    def _take(self, parts: Any) -> None:
        text = bytearray()
        for part in parts:
            raw = self._text_of(part)
            if raw:
                text += raw
                if self._current is not None and len(self._printed) < _PRINTED_BYTES:
                    self._printed += raw[:_PRINTED_BYTES]
        self._write_log(self._stream.feed(bytes(text)))

    def _text_of(self, part: Text | Marker) -> bytes:
        """The bytes of `part` that Ansible printed; a marker that is none of the callback's own is output."""
        if isinstance(part, Text):
            return part.raw
        if part.uuid is None:
            known = self._current is not None
            self._emit()
            return b"" if known else part.raw
        raw = self._read(part.uuid)
        if raw is None:
            return part.raw
        self._emit()
        self._current = raw
        return b""

    def _read(self, uuid: str) -> dict[str, Any] | None:
        try:
            value = json.loads(take_file(self._events_dir, f"{uuid}-partial.json"))
        except (OSError, ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def _emit(self) -> None:
        raw, self._current = self._current, None
        printed, self._printed = bytes(self._printed).decode(errors="replace"), bytearray()
        if raw is None:
            return
        event = mapped(raw, printed)
        if event is None:
            return
        event = self._masker.mask_event(event)
        if raw.get("event") == "playbook_on_start":
            self.started = True
        if raw.get("event") == "playbook_on_stats":
            self.artifacts = event["data"].get("artifacts") or {}
            for part in recap_events(event):
                self._add(part)
            return
        if raw.get("event") == "error":
            self._last_error = _ERROR.sub("", str(event["data"]["message"]))[:_ERROR_CHARS]
        self._add(event)

    def _add(self, event: dict[str, Any]) -> None:
        self._seq += 1
        self._lines.append(encoded({"seq": self._seq, **event}) + b"\n")

    def _flush(self) -> None:
        if self._lines:
            lines = b"".join(self._lines)
            self._events.write(lines)
            self.size += len(lines)
            self._lines.clear()

    def _write_log(self, data: bytes) -> None:
        if data:
            self._log.write(data)
            self.size += len(data)
            self._tail = (self._tail + data)[-_TAIL_BYTES:]
