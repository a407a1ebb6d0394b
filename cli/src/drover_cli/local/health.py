"""Asks a service whether it is ready."""

import http.client
from http import HTTPStatus


def is_ready(host: str, port: int) -> bool:
    """Whether GET /readyz answers 200 within two seconds."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
