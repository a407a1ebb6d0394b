"""A service's workers, killed and started anew within milliseconds.

Each is forked from this process, which has imported the service and done nothing else.

    python -m support.zygote drover_event_ingest

Reads numbers, one a line: worker N is killed (SIGKILL) where it runs, and started. Answers each with a line:
`ok`, or how the worker had ended by itself.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable

from drover_executor.child.tree import die_with_parent


def serve(module: str) -> None:
    service = importlib.import_module(f"{module}.__main__")
    workers: dict[int, int] = {}
    for line in sys.stdin:
        number = int(line)
        answer = end(workers.pop(number)) if number in workers else "ok"
        workers[number] = start(service.main)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
    for worker in workers.values():
        end(worker)


def start(main: Callable[[], int]) -> int:
    """The pid of a new worker."""
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        die_with_parent()
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(2, 1)
        sys.argv = sys.argv[:1]
        status = main()
    finally:
        os._exit(status)


def end(pid: int) -> str:
    os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return "ok" if status == -signal.SIGKILL else f"ended with {status}"


if __name__ == "__main__":
    serve(sys.argv[1])
