"""Choice of TCP ports on the loopback interface."""

import random
import socket
from collections.abc import Collection

# Below Linux's ephemeral range (32768+), so that no outgoing connection sits on a chosen port by chance.
LOWEST, HIGHEST = 20000, 32000
TRIES = 200


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set SO_REUSEADDR too: a port in TIME_WAIT is theirs to take.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def choose_port(preferred: int | None, taken: Collection[int], rng: random.Random) -> int:
    """A free port: `preferred` if it still is, else a random one that is not in `taken`.

    Raises OSError when none is found.
    """
    if preferred is not None and preferred not in taken and is_free(preferred):
        return preferred
    for _ in range(TRIES):
        port = rng.randrange(LOWEST, HIGHEST)
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free TCP port between {LOWEST} and {HIGHEST}")
