"""Host patterns of inventory files: ranges and ports, as Ansible expands them."""

import re
import string
from collections.abc import Iterator
from itertools import product

from drover_api.resources.inventories.importing.parsed import MAX_HOSTS, wrong

_RANGE = re.compile(r"\[([0-9]+|[A-Za-z])?:([0-9]+|[A-Za-z])(?::([0-9]+))?\]")
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\](?::([0-9]+))?\Z")
_PORT = re.compile(r"(.*[^:]):([0-9]+)\Z")
MAX_PORT = 65535


def expand(pattern: str, where: str) -> tuple[list[str], int | None]:
    """The hosts that `pattern` names, and the port it gives them.

    `web[01:03].example.com:2222` is three hosts; `[::1]:22` is one address. Raises InvalidError.
    """
    if bracketed := _BRACKETED.match(pattern):
        return [bracketed[1]], _port(bracketed[2], where)
    without_ranges = _RANGE.sub("", pattern)
    port = None
    if without_ranges.count(":") == 1 and (found := _PORT.match(pattern)):
        pattern, port = found[1], _port(found[2], where)
    return list(_expanded(pattern, where)), port


def _port(text: str | None, where: str) -> int | None:
    if text is None:
        return None
    if not 1 <= int(text) <= MAX_PORT:
        raise wrong(f"{where}: {text} is no port")
    return int(text)


def _expanded(pattern: str, where: str) -> Iterator[str]:
    pieces: list[list[str]] = []
    end, size = 0, 1
    for found in _RANGE.finditer(pattern):
        names = _names(found[1] or "0", found[2], int(found[3] or 1), where)
        size *= len(names)
        if size > MAX_HOSTS:
            raise wrong(f"{where}: {pattern} names more than {MAX_HOSTS} hosts")
        pieces += [[pattern[end : found.start()]], names]
        end = found.end()
    pieces.append([pattern[end:]])
    return ("".join(parts) for parts in product(*pieces))


def _names(first: str, last: str, step: int, where: str) -> list[str]:
    if step < 1:
        raise wrong(f"{where}: a range needs a step of at least 1")
    if first.isdigit() and last.isdigit():
        if not int(first) <= int(last) < int(first) + MAX_HOSTS * step:
            raise wrong(f"{where}: [{first}:{last}] is no range, or too large a one")
        width = len(first) if len(first) > 1 and first.startswith("0") else 0
        if width and width != len(last):
            raise wrong(f"{where}: [{first}:{last}] must have ends of the same width")
        return [str(number).zfill(width) for number in range(int(first), int(last) + 1, step)]
    letters = string.ascii_letters
    low, high = letters.find(first), letters.find(last)
    if min(low, high) < 0 or low > high:
        raise wrong(f"{where}: [{first}:{last}] is no range")
    return list(letters[low : high + 1 : step])
