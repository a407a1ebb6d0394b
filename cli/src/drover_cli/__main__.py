"""`python -m drover_cli`: the same as `./drover`."""

import sys

if __name__ == "__main__":
    try:
        from drover_cli.main import app  # an interrupt may come while this takes its time

        app(prog_name="drover")
    except KeyboardInterrupt:
        sys.exit(130)
