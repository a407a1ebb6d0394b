"""A log's bytes as plain text, HTML or JSON, piece by piece: no format needs the whole log in memory."""

import codecs
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

FORMATS = ("ansi", "txt", "text", "html", "json")
CONTENT_TYPES = {
    "ansi": "text/plain; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "text": "text/plain; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
}
EXTENSIONS = {"ansi": "log", "txt": "txt", "text": "txt", "html": "html", "json": "json"}

_ESCAPE = re.compile(r"\x1b(?:\[([0-9;:?<=>]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_LONGEST_ESCAPE = 256  # what begins like an escape and is longer than this is text
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_STYLE = (
    "body{background:#1b1d1e;color:#d8d8d8}pre{white-space:pre-wrap;font:13px/1.4 monospace}"
    ".b{font-weight:bold}.black{color:#777}.red{color:#f66}.green{color:#6c6}.yellow{color:#db4}"
    ".blue{color:#6af}.magenta{color:#d7d}.cyan{color:#4cc}.white{color:#fff}"
)

Pieces = Iterable[bytes]


def formatted(kind: str, pieces: Pieces) -> Iterator[bytes]:
    """`pieces` of a log in one of `FORMATS`; `ansi` is the log itself, byte for byte."""
    writer = Writer(kind)
    yield writer.begin()
    for piece in pieces:
        yield writer.write(piece)
    yield writer.end()


class Writer:
    """Writes a log in one of `FORMATS`, piece by piece as it comes: no format needs the whole log."""

    def __init__(self, kind: str) -> None:
        self._format = _FORMATS[kind]() if kind in _FORMATS else None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def begin(self) -> bytes:
        return b"" if self._format is None else self._format.head.encode()

    def write(self, piece: bytes) -> bytes:
        """Never cut inside of a character or an escape; broken bytes become U+FFFD."""
        if self._format is None:
            return piece
        whole = self._held + self._decoder.decode(piece)
        cut = open_escape(whole)
        self._held = whole[cut:]
        return self._format.text(whole[:cut]).encode("utf-8", "replace")

    def end(self) -> bytes:
        if self._format is None:
            return b""
        rest = self._held + self._decoder.decode(b"", final=True)
        return (self._format.text(rest) + self._format.tail).encode("utf-8", "replace")


def open_escape(text: str) -> int:
    """Where an escape begins that is not over at the end of `text`; its length where there is none."""
    start = text.rfind("\x1b", max(0, len(text) - _LONGEST_ESCAPE))
    return len(text) if start < 0 or _ESCAPE.match(text, start) else start


def without_escapes(text: str) -> str:
    return _ESCAPE.sub("", text)


class _Format(Protocol):
    head: str
    tail: str

    def text(self, text: str, /) -> str: ...


class _Text:
    head = tail = ""

    def text(self, text: str) -> str:
        return without_escapes(text)


class _Json:
    """{"content": "…"}: the log as text, with its escapes."""

    head, tail = '{"content": "', '"}\n'

    def text(self, text: str) -> str:
        return json.dumps(text, ensure_ascii=False)[1:-1]


class _Html:
    head = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Log</title><style>{_STYLE}</style><pre>'
    )
    tail = "</pre></html>\n"

    def __init__(self) -> None:
        self._pen = _Pen()

    def text(self, text: str) -> str:
        return self._pen.written(text)


class _Pen:
    """Keeps the colour between pieces; every piece closes the span it opened."""

    def __init__(self) -> None:
        self._bold, self._colour = False, ""

    def written(self, text: str) -> str:
        parts, place = [], 0
        for escape in _ESCAPE.finditer(text):
            parts.append(self._span(text[place : escape.start()]))
            if escape[2] == "m":
                self._set(escape[1])
            place = escape.end()
        parts.append(self._span(text[place:]))
        return "".join(parts)

    def _span(self, text: str) -> str:
        classes = " ".join(name for name in ("b" if self._bold else "", self._colour) if name)
        if not text or not classes:
            return html.escape(text, quote=False)
        return f'<span class="{classes}">{html.escape(text, quote=False)}</span>'

    def _set(self, codes: str) -> None:
        for code in (int(part) if part.isdigit() else 0 for part in codes.split(";")):
            self._apply(code)

    def _apply(self, code: int) -> None:
        changes: dict[int, Callable[[], None]] = {0: self._reset, 1: self._embolden, 22: self._lighten}
        if code in changes:
            changes[code]()
        elif code % 10 < len(_COLOURS) and code // 10 in (3, 9):
            self._colour = _COLOURS[code % 10]
        elif code == 39:  # noqa: PLR2004 - SGR: default foreground
            self._colour = ""

    def _reset(self) -> None:
        self._bold, self._colour = False, ""

    def _embolden(self) -> None:
        self._bold = True

    def _lighten(self) -> None:
        self._bold = False


_FORMATS: dict[str, Callable[[], _Format]] = {"txt": _Text, "text": _Text, "html": _Html, "json": _Json}
