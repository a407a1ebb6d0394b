"""Getting objects at a fifth of what it costs through boto3: its signature, over a pool of plain connections.

A log is thousands of small objects while its run goes on, and boto3 takes 3 ms of the processor for each.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import Session
from botocore.utils import get_environ_proxies

from drover_shared.domain.errors import InfrastructureError
from drover_shared.object_metrics import ERRORS
from drover_shared.settings import S3Settings

CONNECT_SECONDS = 3
READ_SECONDS = 20
PIECE_BYTES = 256 * 1024
_OK = (200, 206)
_MISSING = frozenset({"NoSuchKey", ""})  # "": a store that says nothing but 404
_CODE = re.compile(rb"<Code>(\w{1,64})</Code>")
_ERROR_BYTES = 4096


class ObjectMissingError(LookupError):
    """The store answers, and has no such object."""


class ObjectReads:
    """GETs of one bucket; safe for many threads."""

    def __init__(self, settings: S3Settings, connections: int) -> None:
        self._base = f"{settings.endpoint.rstrip('/')}/{settings.bucket}/"
        credentials = Credentials(settings.access_key, settings.secret_key)
        self._signer = S3SigV4Auth(credentials, "s3", settings.region)
        self._pool = _pool(settings.endpoint, connections)

    def stream(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to, not including, `end` (None: to the last one), in pieces.

        Raises ObjectMissingError and InfrastructureError; one attempt more is made before the first byte.
        """
        with _translated():
            answer = self._pool.request(
                "GET", self._base + quote(key), headers=self._headers(key, start, end), preload_content=False
            )
            try:
                if answer.status not in _OK:
                    raise _refused(answer.status, answer.read(_ERROR_BYTES))
                yield from answer.stream(PIECE_BYTES, decode_content=False)
                answer.release_conn()
            finally:
                answer.close()

    def close(self) -> None:
        self._pool.clear()

    def _headers(self, key: str, start: int, end: int | None) -> dict[str, str]:
        request = AWSRequest("GET", self._base + quote(key))
        self._signer.add_auth(request)
        headers = {**request.headers, "Accept-Encoding": "identity"}
        if start or end is not None:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        return headers


def _pool(endpoint: str, connections: int) -> urllib3.PoolManager:
    """As boto3 would connect: the same proxies and certificates."""
    options = {
        "maxsize": connections,
        "timeout": urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        "retries": urllib3.Retry(
            total=1, redirect=0, status_forcelist=(500, 502, 503, 504), raise_on_status=False
        ),
        "ca_certs": Session().get_config_variable("ca_bundle"),
    }
    proxy = get_environ_proxies(endpoint).get(endpoint.split("://", 1)[0])
    return urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)


def _refused(status: int, body: bytes) -> Exception:
    """Only the store's own code: its text may hold addresses and keys."""
    found = _CODE.search(body)
    code = found[1].decode() if found else ""
    if status == 404 and code in _MISSING:  # noqa: PLR2004 - not found
        return ObjectMissingError("no such object")
    ERRORS.labels(code or str(status)).inc()
    return InfrastructureError(f"object store: {code or status}")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        ERRORS.labels(type(error).__name__).inc()
        raise InfrastructureError(f"object store: {type(error).__name__}") from error
