"""`python -m drover_cli`: the same as `./drover`."""

from drover_cli.main import app

if __name__ == "__main__":
    app(prog_name="drover")
