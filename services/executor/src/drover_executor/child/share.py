"""`python share.py WANTED COMMAND…`: become COMMAND, limited to a slice's share of the hosts.

It runs where the playbook will, with what is there: in an execution environment's container, too. So it is
one file that needs Python alone, and Ansible itself says which hosts there are. WANTED is a file of JSON:

number, count   the slice, from 1, of so many
whole           the command that lists the hosts which are shared out
limited         whether a pattern limits them; else Ansible also knows a localhost that no inventory names
attempt         {"list": a command, "names": […]}: which of its share an attempt is for; null: all of it
limit_file      where its hosts are written to, one a line
"""

from __future__ import annotations  # the image's interpreter may be an old one

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LOCALHOST = "localhost"
_BEFORE_A_HOST = " " * 4  # in what `ansible --list-hosts` prints
_INTERRUPTED = 130
_CANNOT_START = 127


class UnlistedError(Exception):
    """Ansible does not say which hosts there are: its exit status, and what it said instead."""

    def __init__(self, status: int, words: bytes) -> None:
        super().__init__(status)
        self.status, self.words = status, words


def share_of(hosts: Sequence[str], number: int, count: int) -> list[str]:
    """Of `hosts` by name every `count`th, from the `number`th on: each host is in one slice."""
    return sorted(set(hosts))[number - 1 :: count]


def hosts_in(listing: str) -> list[str]:
    """The hosts in what `ansible --list-hosts` prints below its heading."""
    return [line.strip() for line in listing.splitlines() if line.startswith(_BEFORE_A_HOST) and line.strip()]


def chosen(wanted: Mapping[str, Any], hosts: Sequence[str], attempt: Sequence[str] | None) -> list[str]:
    """The names to limit a slice to: its share of `hosts`, and of these what is in `attempt`.

    A localhost that no inventory names is in every slice that has a host, as in every job without a limit.
    """
    share = share_of(hosts, wanted["number"], wanted["count"])
    if share and not wanted["limited"] and LOCALHOST not in hosts:
        share.append(LOCALHOST)
    return share if attempt is None else [host for host in share if host in set(attempt)]


def listed(command: Sequence[str]) -> list[str]:
    """Raises UnlistedError."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        raise UnlistedError(done.returncode, done.stdout + done.stderr)
    return hosts_in(done.stdout.decode("utf-8", "surrogateescape"))


def of_attempt(attempt: Mapping[str, Any] | None) -> list[str] | None:
    """The hosts of an attempt on fewer than its slice's; None for one on all of them."""
    if attempt is None:
        return None
    try:
        return [*listed(attempt["list"]), *attempt["names"]]
    except UnlistedError:  # the same inventory was read just now, so it is the pattern that leaves none
        return list(attempt["names"])


def main(arguments: Sequence[str]) -> int:
    """Returns only where there is nothing to run. Raises UnlistedError, OSError."""
    wanted, command = json.loads(Path(arguments[0]).read_text(encoding="utf-8")), list(arguments[1:])
    hosts = listed(wanted["whole"])
    # Without any host the first slice is what the job would be without slices, and Ansible has its say.
    if hosts or wanted["number"] > 1:
        names = chosen(wanted, hosts, of_attempt(wanted["attempt"]))
        if not names:
            sys.stdout.write(f"No host is in slice {wanted['number']} of {wanted['count']}.\n")
            return 0
        limit = Path(wanted["limit_file"])
        limit.write_text("\n".join(names), encoding="utf-8", errors="surrogateescape")
        command.append(f"--limit=@{limit}")
    return os.execvp(command[0], command)  # noqa: S606 - what the executor would have started itself


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except UnlistedError as error:
        sys.stdout.buffer.write(error.words)
        sys.exit(error.status)
    except OSError as error:
        sys.stdout.write(f"{error}\n")
        sys.exit(_CANNOT_START)
