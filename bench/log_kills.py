"""log-store killed (SIGKILL) while it stores and archives, as often as asked, by a seed; then all is audited.

    python bench/log_kills.py [--kills 1000] [--seed 1]

Three workers share the stream; one of them is killed every 120 ms on average and started anew at once. Chunks
come in any order, a third of them twice, and each run's log is archived as soon as it is whole. Ends with
status 1 where a byte is missing, double or changed, or an object is left over.
"""

import sys
from pathlib import Path

from drover_shared.settings import S3Settings
from sqlalchemy import Engine

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.log_kills import USUAL, ride
from support.servers import S3_KEYS, StackServers
from support.storm import Outcome, Storm, command


def ride_here(
    servers: StackServers, engine: Engine, url: str, redis_url: str, log: Path, storm: Storm
) -> Outcome:
    s3 = S3Settings(servers.s3_endpoint, servers.make_bucket(), *S3_KEYS)
    return ride(engine, url, redis_url, s3, log, storm)


def main() -> int:
    return command(
        __doc__.splitlines()[0] if __doc__ else "",
        USUAL,
        ride_here,
        lambda found: (
            f"{found.sends} chunks sent, {found.total} chunks of {found.runs} logs: nothing missing,"
            " nothing double, every archive whole, no object left over"
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
