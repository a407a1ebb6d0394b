"""Following a job whose log grows while it is read, and starts anew with a second attempt."""

from collections.abc import Iterator
from typing import Any

from drover_cli.api import ApiClient, Json
from drover_cli.demo.follow import follow

Moment = tuple[str, str | None, bool, bytes]  # status, current run, log complete, its log so far


class ScriptedApi(ApiClient):
    """Answers one moment after the other; the log may be read anywhere."""

    def __init__(self, moments: list[Moment]) -> None:
        super().__init__("http://127.0.0.1:1")
        self._moments: Iterator[Moment] = iter(moments)
        self._log = b""

    def get(self, path: str, **params: object) -> Json:
        assert (path, params) == ("/jobs/5", {})
        status, run, complete, self._log = next(self._moments)
        return {"status": status, "current_run_id": run, "log_complete": complete}

    def log(self, run_id: str, offset: int, *, colour: bool) -> bytes:
        assert run_id in {"r1", "r2"}
        assert colour
        return self._log[offset:]


def followed(moments: list[Moment]) -> tuple[bytes, dict[str, Any], int]:
    written: list[bytes] = []
    looks: list[Json] = []
    job = follow(ScriptedApi(moments), 5, written.append, looks.append, colour=True, pause=lambda _: None)
    return b"".join(written), job, len(looks)


def test_every_byte_once() -> None:
    text, job, looks = followed(
        [
            ("pending", None, False, b""),
            ("queued", "r1", False, b""),
            ("running", "r1", False, b"PLAY"),
            ("running", "r1", False, b"PLAY\nTASK"),
            ("failed", "r1", False, b"PLAY\nTASK"),
            ("failed", "r1", True, b"PLAY\nTASK\nRECAP"),
        ]
    )
    assert text == b"PLAY\nTASK\nRECAP"
    assert job["status"] == "failed"
    assert looks == 6


def test_a_second_attempt_is_read_from_its_start() -> None:
    text, _, _ = followed(
        [
            ("running", "r1", False, b"one"),
            ("running", "r2", False, b"tw"),
            ("successful", "r2", True, b"two"),
        ]
    )
    assert text == b"onetwo"


def test_a_job_that_never_ran_has_no_log() -> None:
    text, job, _ = followed([("pending", None, False, b""), ("error", None, False, b"")])
    assert text == b""
    assert job["status"] == "error"
