"""Replaces secrets by `$encrypted$` before anything reaches the disk, whatever way Ansible prints them."""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

import orjson

MASK = "$encrypted$"
_TEXTS = ("host", "task_name", "play_name", "stdout_snippet", "data")
_TELLING_LINES = 3  # of a secret of many lines, those by which it is found in what is already masked
SHORTEST = 3  # characters; masking anything shorter would hide half of the output
_SHORTEST_WITHIN = 5  # bytes; of anything shorter too little is its alone
_URL_SAFE = str.maketrans("+/", "-_")
_KEY = 3  # bytes a variant is found by


def variants(secret: str) -> set[str]:
    """The forms in which a secret may be printed, itself included; each line of a text counts too."""
    forms: set[str] = set()
    lines = [line.strip() for line in secret.splitlines()]
    for plain in {secret, secret.strip(), *lines}:
        if len(plain) < SHORTEST:
            continue
        raw = plain.encode(errors="surrogateescape")
        forms |= {plain, quote(plain, safe="", errors="replace"), quote_plus(plain, errors="replace")}
        forms |= {quote(plain, errors="replace"), base64.b64encode(raw).decode()}
        forms |= {base64.urlsafe_b64encode(raw).decode(), base64.b64encode(raw + b"\n").decode()}
        forms |= {raw.hex(), repr(plain)[1:-1], *_within_base64(raw)}
        for escaped in (_json(plain, ascii_only=True), _json(plain, ascii_only=False)):
            forms |= {escaped, _json(escaped, ascii_only=True)}
    return {form for form in forms if len(form) >= SHORTEST}


def _within_base64(raw: bytes) -> set[str]:
    """What of it is seen where it is encoded together with other bytes, as in `user:password`.

    Of the three ways it may fall into groups of three bytes, the characters that are its alone.
    """
    if len(raw) < _SHORTEST_WITHIN:
        return set()
    forms = set()
    for before in range(3):
        coded = base64.b64encode(bytes(before) + raw + bytes(2)).decode()
        own = coded[-(-8 * before // 6) : 8 * (before + len(raw)) // 6]
        forms |= {own, own.translate(_URL_SAFE)}
    return forms


def _json(text: str, *, ascii_only: bool) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def _telling(secret: str) -> list[str]:
    lines = secret.splitlines()
    return [secret] if len(lines) <= 1 else sorted(lines, key=len)[-_TELLING_LINES:]


class Masker:
    """Masks texts, JSON values and byte streams. With no secrets it costs nothing."""

    def __init__(self, secrets: Iterable[str]) -> None:
        secrets = list(secrets)
        forms = {form for secret in secrets for form in variants(secret)}
        telling = {form for secret in secrets for line in _telling(secret) for form in variants(line)}
        self._telling = [form.encode(errors="surrogateescape") for form in telling]
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._raw = [form.encode(errors="surrogateescape") for form in ordered]
        self._by_key: dict[bytes, list[bytes]] = {}
        for form in self._raw:
            self._by_key.setdefault(form[:_KEY], []).append(form)
        self._in_json = [_json(form, ascii_only=False).encode(errors="surrogateescape") for form in ordered]
        self.longest = max((len(form) for form in self._raw), default=0)

    def mask_bytes(self, data: bytes) -> bytes:
        found = [form for form in self._raw if len(form) <= len(data) and form in data]
        if not found:
            return data
        pattern = re.compile(b"|".join(re.escape(form) for form in found))
        return pattern.sub(MASK.encode(), data)

    def mask_text(self, text: str) -> str:
        if not self._raw:
            return text
        raw = text.encode(errors="surrogatepass")
        masked = self.mask_bytes(raw)
        return text if masked is raw else masked.decode(errors="replace")

    def mask_value(self, value: Any) -> Any:
        """A JSON value with every text in it masked, keys included."""
        if not self._raw:
            return value
        if isinstance(value, str):
            return self.mask_text(value)
        if isinstance(value, dict):
            return {self.mask_text(str(key)): self.mask_value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.mask_value(item) for item in value]
        return value

    def mask_event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """An event of specification 2.7 with what came from outside masked; its own words stay.

        Most hold no secret, so it is looked at as a whole first.
        """
        if not self._may_hold(event):
            return dict(event)
        return {**event, **{name: self.mask_value(event[name]) for name in _TEXTS if name in event}}

    def _may_hold(self, event: Mapping[str, Any]) -> bool:
        try:
            line = orjson.dumps(event, option=orjson.OPT_NON_STR_KEYS)
        except TypeError:  # what orjson cannot write, such as a lone surrogate
            return True
        return any(form in line for form in self._in_json)

    def suspects(self, data: bytes) -> bool:
        """Whether `data` holds a secret; of one of many lines only its longest are looked for."""
        return any(form in data for form in self._telling)

    def held(self, data: bytes) -> int:
        """How many bytes at the end of `data` may be the first ones of a secret that goes on."""
        start = max(0, len(data) - self.longest + 1)
        for at in range(start, len(data)):
            tail = data[at:]
            known = self._by_key.get(tail[:_KEY], ()) if len(tail) >= _KEY else self._raw
            if any(len(form) > len(tail) and form.startswith(tail) for form in known):
                return len(tail)
        return 0


class MaskedStream:
    """Masks a byte stream fed in any cuts: a secret across a cut is still found."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The bytes that are certain now."""
        if not self._masker.longest:
            return data
        masked = self._masker.mask_bytes(self._held + data)
        keep = self._masker.held(masked)
        self._held = masked[len(masked) - keep :]
        return masked[: len(masked) - keep]

    def close(self) -> bytes:
        held, self._held = self._held, b""
        return held
