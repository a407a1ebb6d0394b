"""`python -m drover_executor.child FOLDER LISTENER`: run the playbook that FOLDER describes.

LISTENER is the descriptor of the socket on which the executor calls (see `line`). Two processes do it: this
one guards, the one it starts works. Each ends everything below when the other is gone.
"""

import os
import sys
import traceback
from pathlib import Path

from drover_executor.child import tree
from drover_executor.child.guard import guard
from drover_executor.lease_clock import Deadline


def main(folder: Path, listener: int) -> int:
    tree.adopt_orphans()
    deadline = Deadline(folder)
    if deadline.left <= 0:  # the executor was held up before this process began
        return 1
    guards_life, life = os.pipe()
    worker = os.fork()
    if worker == 0:
        os.close(life)
        os._exit(_work(folder, listener, guards_life))
    os.close(guards_life)
    os.close(listener)
    return guard(worker, deadline, folder)


def _work(folder: Path, listener: int, guards_life: int) -> int:
    try:
        from drover_executor.child.work import work  # noqa: PLC0415 - the guard stays small without it

        return work(folder, listener, guards_life)
    except BaseException:  # noqa: BLE001 - this process must not come back into the guard's code
        traceback.print_exc()
        return 1
    finally:
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
