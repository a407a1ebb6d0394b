"""log-store killed (SIGKILL) while it stores and archives, as often as asked, by a seed; then all is audited.

    python bench/log_kills.py [--kills 1000] [--seed 1]

Three workers share the stream; one of them is killed every 120 ms on average and started anew at once. Chunks
come in any order, a third of them twice, and each run's log is archived as soon as it is whole. Ends with
status 1 where a byte is missing, double or changed, or an object is left over.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from drover_shared.settings import S3Settings
from sqlalchemy import create_engine

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.log_kills import Storm, ride
from support.servers import S3_KEYS, StackServers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="drover-log-kills-") as home:
        servers = StackServers(Path(home))
        try:
            servers.start()
            url, redis_url = servers.database_url(servers.make_database()), servers.redis_url(1)
            s3 = S3Settings(servers.s3_endpoint, servers.make_bucket(), *S3_KEYS)
            engine = create_engine(url)
            storm = Storm(options.seed, options.kills)
            found = ride(engine, url, redis_url, s3, Path(home) / "workers.log", storm)
            engine.dispose()
        except AssertionError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        finally:
            servers.stop()
    sys.stdout.write(
        f"seed {options.seed}: {found.kills} kills in {found.seconds:.0f} s, {found.sends} chunks sent,"
        f" {found.chunks} chunks of {found.runs} logs: nothing missing, nothing double, every archive whole,"
        " no object left over\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
