# ruff: noqa: INP001  a script of the images, in no package
"""Exit 0 when the service in this container answers /readyz with 200: the containers' health check.

The port is DROVER_HEALTH_PORT where a worker has one, else the API's DROVER_PORT. Standard library only.
"""

import http.client
import os
import sys
from collections.abc import Mapping

_SECONDS = 4.0  # less than the health check's own time-out


def port(environment: Mapping[str, str]) -> int:
    """The port that answers probes in this container."""
    return int(environment.get("DROVER_HEALTH_PORT") or environment.get("DROVER_PORT") or "8080")


def ready(number: int) -> bool:
    """Whether /readyz on this port says 200; what it says otherwise goes to standard output."""
    connection = http.client.HTTPConnection("127.0.0.1", number, timeout=_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        sys.stdout.write(f"{type(error).__name__}: {error}\n")
        return False
    finally:
        connection.close()
    sys.stdout.write(f"{body.strip()}\n")
    return answer.status == http.client.OK


if __name__ == "__main__":
    sys.exit(0 if ready(port(os.environ)) else 1)
