"""Our own API, as a whole stack of real processes, keeps the executor protocol."""

from support.live import LiveStack


def test_the_api_keeps_every_rule(stack: LiveStack) -> None:
    done = stack.command("conformance")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rules hold" in done.stdout
