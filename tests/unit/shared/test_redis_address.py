"""One URL for every kind of client."""

import pytest
from drover_shared.redis_address import RedisAddress
from drover_shared.settings import SettingsError


def test_one_server() -> None:
    address = RedisAddress.parse("redis://api:p%40ss@redis/3")
    assert (address.hosts, address.database) == ((("redis", 6379),), 3)
    assert (address.username, address.password) == ("api", "p@ss")
    assert (address.broker_url, address.broker_ssl) == ("redis://api:p%40ss@redis:6379/3", False)
    assert "p@ss" not in repr(address)


def test_tls() -> None:
    address = RedisAddress.parse("rediss://:pw@[::1]:6380?ssl_ca_certs=/ca.pem&ssl_check_hostname=false")
    options = {"ssl_ca_certs": "/ca.pem", "ssl_check_hostname": False}
    assert address.broker_ssl == {"ssl_cert_reqs": "required", **options}
    made = address.client().connection_pool.connection_kwargs
    assert (made["host"], made["port"], made["ssl_ca_certs"]) == ("::1", 6380, "/ca.pem")


def test_sentinels() -> None:
    url = "redis+sentinel://api:pw@one:26379,two/0?master=drover&sentinel_user=s&sentinel_password=sp"
    address = RedisAddress.parse(url)
    assert address.hosts == (("one", 26379), ("two", 26379))
    assert address.broker_url == "sentinel://api:pw@one:26379/0;sentinel://api:pw@two:26379/0"
    assert address.broker_options["master_name"] == "drover"
    assert address.broker_options["sentinel_kwargs"]["password"] == "sp"


@pytest.mark.parametrize(
    "url",
    [
        "http://secret@redis",
        "redis+sentinel://:secret@one",
        "redis://:secret@redis/first",
        "redis://:secret@redis?foo=bar",
        "redis://:secret@redis:port",
        "redis://:secret@",
    ],
)
def test_a_bad_one_is_told_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        RedisAddress.parse(url)
    assert "secret" not in str(caught.value)
    assert "DROVER_REDIS_URL" in str(caught.value)
