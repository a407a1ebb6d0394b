"""Where Redis is, in one URL for every kind of client: streams and pub/sub by redis-py, commands by kombu.

    redis://[user:password@]host[:port]/number              one server
    rediss://…                                              the same over TLS
    redis+sentinel://[user:password@]host[:port][,…]/number?master=name[&sentinel_user=…&sentinel_password=…]
    rediss+sentinel://…                                     Sentinels and servers over TLS

With TLS, `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile` (files), `ssl_cert_reqs` (required, none) and
`ssl_check_hostname` (true, false) may follow the question mark; without them the system's authorities count.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import redis
from redis.sentinel import Sentinel

from drover_shared.settings import SettingsError

_SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel")
_PORT, _SENTINEL_PORT = 6379, 26379
_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
_SENTINEL = ("master", "sentinel_user", "sentinel_password")
_SENTINEL_SECONDS = 1.0  # a Sentinel that is away must not hold up the question to the next one


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A parsed URL; `options` are those after the question mark."""

    hosts: tuple[tuple[str, int], ...]
    username: str | None
    password: str | None = field(repr=False)
    database: int
    is_tls: bool
    is_sentinel: bool
    options: Mapping[str, str] = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> "RedisAddress":
        """Raises SettingsError, which quotes nothing of the URL: it holds a password."""
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            raise SettingsError(f"DROVER_REDIS_URL must start with one of {', '.join(_SCHEMES)}")
        is_sentinel = parts.scheme.endswith("sentinel")
        login, _, places = parts.netloc.rpartition("@")
        username, _, password = login.partition(":")
        options = dict(parse_qsl(parts.query))
        if is_sentinel and "master" not in options:
            raise SettingsError("DROVER_REDIS_URL: an address of Sentinels needs ?master=name")
        if set(options) - {*_TLS, *_SENTINEL}:
            raise SettingsError(f"DROVER_REDIS_URL: only {', '.join((*_SENTINEL, *_TLS))} may follow the ?")
        default = _SENTINEL_PORT if is_sentinel else _PORT
        return cls(
            hosts=tuple(_place(place, default) for place in places.split(",")),
            username=unquote(username) or None,
            password=unquote(password) or None,
            database=_number(parts.path.strip("/") or "0"),
            is_tls=parts.scheme.startswith("rediss"),
            is_sentinel=is_sentinel,
            options=options,
        )

    def client(self, **options: Any) -> "redis.Redis":
        """A client of redis-py that connects on first use; behind Sentinels it follows the master."""
        about = {"username": self.username, "password": self.password, "db": self.database, **options}
        if not self.is_sentinel:
            host, port = self.hosts[0]
            return redis.Redis(host=host, port=port, **about, **self._ssl_of_redis_py())
        sentinels = Sentinel(self.hosts, sentinel_kwargs=self._sentinel_options())  # type: ignore[no-untyped-call]
        master: redis.Redis = sentinels.master_for(  # type: ignore[no-untyped-call]
            self.options["master"], redis_class=redis.Redis, **about, **self._ssl_of_redis_py()
        )
        return master

    def place(self) -> str:
        """Hosts and ports, for people."""
        return ", ".join(f"{host}:{port}" for host, port in self.hosts)

    @property
    def broker_url(self) -> str:
        """The address as kombu takes it."""
        scheme = "sentinel" if self.is_sentinel else "rediss" if self.is_tls else "redis"
        user, password = quote(self.username or "", safe=""), quote(self.password or "", safe="")
        login = f"{user}:{password}@" if password else ""
        return ";".join(f"{scheme}://{login}{host}:{port}/{self.database}" for host, port in self.hosts)

    @property
    def broker_ssl(self) -> dict[str, Any] | bool:
        """What kombu wants to know of TLS; False for none."""
        return {"ssl_cert_reqs": "required", **self._tls_options()} if self.is_tls else False

    @property
    def broker_options(self) -> dict[str, Any]:
        """What goes among kombu's transport options."""
        if not self.is_sentinel:
            return {}
        return {"master_name": self.options["master"], "sentinel_kwargs": self._sentinel_options()}

    def _sentinel_options(self) -> dict[str, Any]:
        named = {"username": "sentinel_user", "password": "sentinel_password"}
        login = {key: self.options[name] for key, name in named.items() if name in self.options}
        seconds = {"socket_timeout": _SENTINEL_SECONDS, "socket_connect_timeout": _SENTINEL_SECONDS}
        return {**login, **seconds, **self._ssl_of_redis_py()}

    def _ssl_of_redis_py(self) -> dict[str, Any]:
        return {"ssl": True, **self._tls_options()} if self.is_tls else {}

    def _tls_options(self) -> dict[str, Any]:
        given: dict[str, Any] = {name: self.options[name] for name in _TLS if name in self.options}
        if "ssl_check_hostname" in given:
            given["ssl_check_hostname"] = given["ssl_check_hostname"] == "true"
        return given


def _place(text: str, default: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise SettingsError("DROVER_REDIS_URL: a host or a port cannot be read")
    return host, port or default


def _number(text: str) -> int:
    if not text.isdecimal():
        raise SettingsError("DROVER_REDIS_URL: what follows the / must be the database's number")
    return int(text)
