"""event-ingest killed (SIGKILL) under load as often as asked, by a seed; then every row and count is audited.

    python bench/kills.py [--kills 2000] [--seed 1]

Three workers share the stream; one of them is killed every 60 ms on average and started anew at once. Batches
come in any order, a third of them twice, and one event in fifty is not to be stored. Ends with status 1 where
anything is missing, double or miscounted.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from sqlalchemy import create_engine

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.kills import Storm, ride
from support.servers import StackServers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="drover-kills-") as home:
        servers = StackServers(Path(home))
        try:
            servers.start()
            url, redis_url = servers.database_url(servers.make_database()), servers.redis_url(1)
            engine = create_engine(url)
            storm = Storm(options.seed, options.kills)
            found = ride(engine, url, redis_url, Path(home) / "workers.log", storm)
            engine.dispose()
        except AssertionError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        finally:
            servers.stop()
    sys.stdout.write(
        f"seed {options.seed}: {found.kills} kills in {found.seconds:.0f} s, {found.sends} batches sent,"
        f" {found.events} events of {found.runs} runs: nothing missing, nothing double, every count right\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
