"""Judges a repository's address before git sees it."""

import socket
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from drover_shared.domain.reasons import Reason

from drover_executor.failures import RunFailedError
from drover_executor.project.paths import under_any

_PORTS = {"https": 443, "http": 80, "ssh": 22, "git": 9418}
_CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Address:
    """An address git may be given; neither `url` nor `shown` has a password in it: `login` keeps it."""

    url: str
    shown: str
    host: str | None
    port: int
    login: tuple[str, str] | None = field(default=None, repr=False)


def judged(url: str, roots: tuple[Path, ...]) -> Address:
    """Raises RunFailedError for an address that is no repository's, or a local one outside of `roots`."""
    url = url.strip()
    if not url or url.startswith("-") or any(ord(char) < ord(" ") for char in url):
        raise RunFailedError(Reason.PROJECT_INVALID, "The project's address is empty or malformed.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RunFailedError(Reason.PROJECT_INVALID, "The project's address is malformed.") from None
    if parts.scheme in ("", "file"):
        return _local(url, parts.path, roots) if "@" not in url or url.startswith("/") else _scp_like(url)
    if parts.scheme not in _PORTS:
        known = ", ".join([*_PORTS, "file"])
        raise RunFailedError(Reason.PROJECT_INVALID, f"The project's address must be one of {known}.")
    if not parts.hostname or parts.hostname.startswith("-"):
        raise RunFailedError(Reason.PROJECT_INVALID, "The project's address names no host.")
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    port = port or _PORTS[parts.scheme]
    if parts.scheme in ("http", "https"):
        login = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
        return Address(shown, shown, parts.hostname, port, login)
    if parts.password is not None:
        raise RunFailedError(
            Reason.PROJECT_INVALID, "The project's address holds a password; use a credential of type scm."
        )
    return Address(url, shown, parts.hostname, port)


def _local(url: str, path: str, roots: tuple[Path, ...]) -> Address:
    real = under_any(roots, path)
    if real is None:
        raise RunFailedError(
            Reason.PROJECT_INVALID,
            f"{url} is not under a folder this executor may read (DROVER_EXECUTOR_LOCAL_ROOTS).",
        )
    return Address(f"file://{real}", url, None, 0)


def _scp_like(url: str) -> Address:
    """`user@host:path`"""
    user_host, separator, path = url.partition(":")
    host = user_host.rpartition("@")[2]
    if not separator or not path or not host or host.startswith("-"):
        raise RunFailedError(Reason.PROJECT_INVALID, "The project's address is malformed.")
    return Address(url, url, host, _PORTS["ssh"])


def check_reachable(address: Address, env: dict[str, str]) -> None:
    """Fail soon where nothing listens: git itself would wait for minutes. A proxy is left to git.

    Raises RunFailedError.
    """
    if address.host is None or any("proxy" in name.lower() for name in env):
        return
    try:
        socket.create_connection((address.host, address.port), _CONNECT_SECONDS).close()
    except OSError as error:
        why = "no answer" if isinstance(error, TimeoutError) else error.strerror or type(error).__name__
        raise RunFailedError(Reason.PROJECT_UNREACHABLE, f"{address.shown} does not answer: {why}.") from None
