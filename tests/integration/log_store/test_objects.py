"""The object store against a real S3 server."""

from dataclasses import replace
from uuid import UUID

import pytest
from drover_shared.domain.errors import InfrastructureError
from drover_shared.domain.keys import chunk_key
from drover_shared.object_reads import ObjectMissingError
from drover_shared.objects import ObjectStore
from drover_shared.settings import S3Settings


@pytest.fixture
def store(s3: S3Settings) -> ObjectStore:
    return ObjectStore(s3)


def test_whole_and_ranged_reads(store: ObjectStore) -> None:
    body = bytes(range(256)) * 4096
    store.put("a/b", body)
    assert store.get("a/b") == body
    assert store.get("a/b", 10, 20) == body[10:20]
    assert store.get("a/b", len(body) - 7) == body[-7:]
    assert b"".join(store.stream("a/b", 5)) == body[5:]


def test_a_missing_object_is_told_from_a_broken_store(store: ObjectStore, s3: S3Settings) -> None:
    with pytest.raises(ObjectMissingError):
        store.get("nowhere")
    with pytest.raises(InfrastructureError) as caught:
        ObjectStore(replace(s3, secret_key="wrong" * 8)).check()
    assert "wrong" not in str(caught.value)
    with pytest.raises(InfrastructureError):
        ObjectStore(replace(s3, endpoint="http://127.0.0.1:9")).put("a", b"")


def test_delete_many_takes_what_is_there(store: ObjectStore) -> None:
    keys = [f"k/{number}" for number in range(5)]
    for key in keys:
        store.put(key, b"x")
    store.delete_many([*keys, "k/none"])
    for key in keys:
        with pytest.raises(ObjectMissingError):
            store.get(key)
    store.delete_many([])


def test_ensure_bucket_is_repeatable(s3: S3Settings) -> None:
    store = ObjectStore(replace(s3, bucket=f"{s3.bucket}-new"))
    with pytest.raises(LookupError):
        store.check()
    store.ensure_bucket()
    store.ensure_bucket()
    store.check()


def test_keys_are_the_specifications() -> None:
    run = UUID("c0c3bdc8-08c8-49aa-aea3-51f2d036e9f1")
    assert chunk_key(run, 0) == "jobs/c0c3bdc8-08c8-49aa-aea3-51f2d036e9f1/chunk-0000.log"
    assert chunk_key(run, 12345).endswith("/chunk-12345.log")
