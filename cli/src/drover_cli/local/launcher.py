"""Starts one program so that it cannot outlive its parent, as another user where it must not be root.

Run as a script by path (`python -I -S launcher.py …`), so that it starts fast and imports nothing of Drover:
the credentials and the parent-death signal belong to the process that `exec` turns into the program, and a
small fresh process sets them more safely than a hook between fork and exec of a threaded parent.
"""

import argparse
import ctypes
import os
import pwd
import signal
import struct
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


def become(user: str) -> None:
    """Drop root for `user`, keeping only the right to pass folders that `user` could not.

    A home below `/root` (mode 0700) is unreachable for anybody else; without this the folder's parents
    would have to be opened to the world.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    entry = pwd.getpwnam(user)
    has_prctl = hasattr(libc, "prctl")
    if has_prctl:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    if has_prctl:
        header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
        bit = 1 << CAP_DAC_OVERRIDE
        libc.capset(header, struct.pack("=6I", bit, bit, bit, 0, 0, 0))
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def die_with_parent(parent: int, signal_number: int) -> None:
    """Have the kernel send `signal_number` when the parent thread ends (Linux; elsewhere nothing happens)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(f"launcher: parent {parent} is gone")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--death-signal", default="SIGTERM")
    parser.add_argument("--user", default="")
    parser.add_argument("program", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.user:
        become(options.user)
    # after `become`: a change of user clears the parent-death signal
    die_with_parent(options.parent, signal.Signals[options.death_signal])
    command = options.program[1:] if options.program[:1] == ["--"] else options.program
    os.execvp(command[0], command)  # noqa: S606  the caller's own list of arguments, no shell


if __name__ == "__main__":
    main()
