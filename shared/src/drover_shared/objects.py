"""The object store: any S3, spoken to in the one way that every S3 look-alike understands.

Safe for use by several threads at once. Every failure of the store is an `InfrastructureError`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from drover_shared.domain.errors import InfrastructureError
from drover_shared.object_metrics import ERRORS
from drover_shared.object_reads import CONNECT_SECONDS, READ_SECONDS, ObjectMissingError, ObjectReads
from drover_shared.settings import S3Settings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_DELETE_AT_ONCE = 1000  # S3's own limit of one DeleteObjects request
_PART_BYTES = 8 * 1024 * 1024  # S3 takes 10,000 parts of at least 5 MiB: objects of up to 80 GiB
_MISSING = frozenset({"NoSuchKey", "404"})
_OWNED = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object's name, and its size in bytes."""

    key: str
    size: int


def s3_client(settings: S3Settings, *, connections: int = 10) -> "S3Client":
    """A client that opens nothing yet; `connections` is how many threads may use it without waiting.

    Checksums only where S3 requires them: look-alikes fail on ranged reads otherwise.
    """
    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        region_name=settings.region,
        config=Config(
            signature_version="s3v4",
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 2},
            max_pool_connections=connections,
        ),
    )


class ObjectStore:
    """One bucket."""

    def __init__(self, settings: S3Settings, *, connections: int = 10) -> None:
        self.settings = settings
        self._client = s3_client(settings, connections=connections)
        self._reads = ObjectReads(settings, connections)
        self._bucket = settings.bucket

    def put(self, key: str, body: bytes) -> None:
        """Store `body`; an object of that name is replaced."""
        with _translated():
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType="application/octet-stream"
            )

    def put_stream(self, key: str, pieces: Iterable[bytes]) -> None:
        """As `put`, of any number of pieces; a few MB of them are in memory at a time.

        Nothing of the object is to be seen when it fails, be it the store or the source of the pieces.
        """
        buffer = bytearray()
        source = iter(pieces)
        for piece in source:
            buffer += piece
            if len(buffer) >= _PART_BYTES:
                self._put_parts(key, _parts(buffer, source))
                return
        self.put(key, bytes(buffer))

    def _put_parts(self, key: str, parts: Iterable[bytes]) -> None:
        with _translated():
            upload = self._client.create_multipart_upload(
                Bucket=self._bucket, Key=key, ContentType="application/octet-stream"
            )["UploadId"]
        try:
            done = []
            for number, part in enumerate(parts, 1):
                with _translated():
                    answer = self._client.upload_part(
                        Bucket=self._bucket, Key=key, UploadId=upload, PartNumber=number, Body=part
                    )
                done.append({"PartNumber": number, "ETag": answer["ETag"]})
            with _translated():
                self._client.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=key,
                    UploadId=upload,
                    MultipartUpload={"Parts": done},  # type: ignore[typeddict-item]
                )
        except Exception:
            with suppress(ClientError, BotoCoreError):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)
            raise

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """The bytes from `start` up to, not including, `end` (None: to the last one).

        Raises ObjectMissingError. An empty range, and one outside of the object, are the caller's mistake.
        """
        return b"".join(self.stream(key, start, end))

    def stream(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """As `get`, in pieces, so that memory stays flat whatever the object's size."""
        return self._reads.stream(key, start, end)

    def delete_many(self, keys: Sequence[str]) -> None:
        """Delete every object named; one that is not there is no error."""
        for low in range(0, len(keys), _DELETE_AT_ONCE):
            names = [{"Key": key} for key in keys[low : low + _DELETE_AT_ONCE]]
            with _translated():
                answer = self._client.delete_objects(
                    Bucket=self._bucket,
                    Delete={"Objects": names, "Quiet": True},  # type: ignore[typeddict-item]
                )
            errors = [error for error in answer.get("Errors", []) if error.get("Code") not in _MISSING]
            if errors:
                raise InfrastructureError(f"object store: {len(errors)} objects were not deleted")

    def list_all(self) -> Iterator[ListedObject]:
        """Every object, in the order of their keys; one that comes or goes meanwhile may be listed or not."""
        with _translated():
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
                for found in page.get("Contents", []):
                    yield ListedObject(found["Key"], found["Size"])

    def presigned(self, key: str, file_name: str, encoding: str, seconds: int) -> str | None:
        """An address at which a client may get the object for so long; None where none reaches the store.

        The store will call it text in UTF-8, of this encoding where there is one, to be saved as `file_name`.
        """
        if not self.settings.public_endpoint:
            return None
        asked = {
            "Bucket": self._bucket,
            "Key": key,
            "ResponseContentType": "text/plain; charset=utf-8",
            "ResponseContentDisposition": f'attachment; filename="{file_name}"',
        }
        if encoding:
            asked["ResponseContentEncoding"] = encoding
        return self._signer.generate_presigned_url("get_object", Params=asked, ExpiresIn=seconds)

    @cached_property
    def _signer(self) -> "S3Client":
        """Opens no connection: it only signs."""
        return s3_client(replace(self.settings, endpoint=self.settings.public_endpoint))

    def discard(self, key: str) -> None:
        """Delete an object that somebody was writing who is gone, and what parts of it were put.

        Parts are left to the store's own rules where it does not say which there are.
        """
        with _translated(), suppress(ClientError):  # some say so, where there are none
            uploads = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key).get("Uploads", [])
            for upload in uploads:
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
        self.delete_many([key])

    def ensure_bucket(self) -> None:
        """Make the bucket unless it is there; any number may call this at once."""
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except (ClientError, BotoCoreError) as error:
            if _code(error) not in {*_MISSING, "NoSuchBucket"}:
                raise _failed(error) from error
            self._make_bucket()

    def check(self) -> None:
        """Raise InfrastructureError where the store does not answer for the bucket."""
        with _translated():
            self._client.head_bucket(Bucket=self._bucket)

    def close(self) -> None:
        self._reads.close()
        self._client.close()

    def _make_bucket(self) -> None:
        try:
            self._client.create_bucket(Bucket=self._bucket)
        except (ClientError, BotoCoreError) as error:
            if _code(error) not in _OWNED:
                raise _failed(error) from error


def _parts(buffer: bytearray, source: Iterator[bytes]) -> Iterator[bytes]:
    for piece in source:
        if len(buffer) >= _PART_BYTES:
            yield bytes(buffer)
            buffer.clear()
        buffer += piece
    yield bytes(buffer)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        if _code(error) in _MISSING:
            raise ObjectMissingError("no such object") from error
        raise _failed(error) from error


def _code(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _failed(error: Exception) -> InfrastructureError:
    """Only the kind of failure: botocore's own text may hold addresses and keys."""
    kind = _code(error) or type(error).__name__
    ERRORS.labels(kind).inc()
    return InfrastructureError(f"object store: {kind}")
