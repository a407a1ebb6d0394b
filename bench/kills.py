"""event-ingest killed (SIGKILL) under load as often as asked, by a seed; then every row and count is audited.

    python bench/kills.py [--kills 2000] [--seed 1]

Three workers share the stream; one of them is killed every 60 ms on average and started anew at once. Batches
come in any order, a third of them twice, and one event in fifty is not to be stored. Ends with status 1 where
anything is missing, double or miscounted.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.kills import USUAL, ride
from support.storm import command


def main() -> int:
    return command(
        __doc__.splitlines()[0] if __doc__ else "",
        USUAL,
        lambda _, *rest: ride(*rest),
        lambda found: (
            f"{found.sends} batches sent, {found.total} events of {found.runs} runs: nothing missing,"
            " nothing double, every count right"
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
