"""The embedded servers: real, guarded by their passwords, and back after `kill -9`."""

from pathlib import Path

import boto3
import psycopg2
import pytest
import redis
from botocore.config import Config
from botocore.exceptions import ClientError
from drover_shared.settings import S3Settings
from redis.backoff import NoBackoff
from redis.retry import Retry
from support.servers import StackServers


def s3_client(settings: S3Settings, secret: str | None = None):  # type: ignore[no-untyped-def]  # noqa: ANN201
    config = Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"max_attempts": 1},
    )
    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=secret or settings.secret_key,
        region_name=settings.region,
        config=config,
    )


def connect(servers: StackServers, password: str | None = None) -> "psycopg2.extensions.connection":
    url = servers.database_url("drover").replace("+psycopg2", "")
    return psycopg2.connect(url if password is None else url.replace(servers.password, password))


def test_postgres_serves_and_asks_for_the_password(stack_servers: StackServers) -> None:
    with connect(stack_servers) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        row = cursor.fetchone()
        assert row is not None
        assert row[0].startswith("18.")
    with pytest.raises(psycopg2.OperationalError, match="password"):
        connect(stack_servers, password="wrong")


def test_redis_keeps_everything_and_asks_for_the_password(
    stack_servers: StackServers, redis_client: "redis.Redis"
) -> None:
    assert redis_client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert redis_client.config_get("appendonly") == {"appendonly": "yes"}
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=stack_servers.ports["redis"], retry=Retry(NoBackoff(), 0)).ping()


def test_s3_stores_ranges_and_asks_for_the_key(s3: S3Settings) -> None:
    client = s3_client(s3)
    client.put_object(Bucket=s3.bucket, Key="a/b", Body=b"0123456789")
    part = client.get_object(Bucket=s3.bucket, Key="a/b", Range="bytes=2-4")
    assert part["Body"].read() == b"234"
    client.delete_object(Bucket=s3.bucket, Key="a/b")
    assert "Contents" not in client.list_objects_v2(Bucket=s3.bucket)  # the bucket outlives its last object
    with pytest.raises(ClientError):
        s3_client(s3, secret="x" * 40).list_objects_v2(Bucket=s3.bucket)


def test_servers_come_back_after_kill(tmp_path: Path) -> None:
    servers = StackServers(tmp_path)
    try:
        servers.start()
        with connect(servers) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)")
        connection.close()
        client = redis.Redis.from_url(servers.redis_url(0))
        client.config_set("appendfsync", "always")
        client.set("kept", "7")
        for name in servers.ports:
            servers.kill(name)
            servers.restart(name)
        with connect(servers) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT id FROM kept")
            assert cursor.fetchall() == [(7,)]
        connection.close()
        assert client.get("kept") == b"7"
    finally:
        servers.stop()
