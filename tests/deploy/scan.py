"""Which TCP ports of a composition are open, asked from inside its networks; standard library only.

usage: scan.py NAME=ADDRESS…   prints "NAME PORT" lines. Every port of every address is tried.
"""

import asyncio
import sys

AT_ONCE = 500
SECONDS = 5.0
PORTS = range(1, 65536)


async def is_open(address: str, port: int) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), SECONDS)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def open_ports(address: str) -> list[int]:
    turn = asyncio.Semaphore(AT_ONCE)

    async def look(port: int) -> int | None:
        async with turn:
            return port if await is_open(address, port) else None

    return [port for port in await asyncio.gather(*map(look, PORTS)) if port is not None]


def main(places: list[str]) -> None:
    for place in places:
        name, _, address = place.partition("=")
        for port in asyncio.run(open_ports(address)):
            sys.stdout.write(f"{name} {port}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
