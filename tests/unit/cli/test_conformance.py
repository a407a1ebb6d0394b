"""The conformance kit: the rules of the document, and a refusal of what breaks them."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from drover_cli.conformance.kit import BrokenRuleError, Kit, expect
from drover_cli.conformance.suite import EXECUTOR_RULES, RULES, Result, try_rules
from drover_cli.paths import ROOT


def test_the_document_has_the_kits_rules_word_by_word() -> None:
    document = (ROOT / "docs" / "executor-protocol.md").read_text()
    told = dict(re.findall(r"^\| ([A-Z]\d+) \| (.*) \|$", document, re.MULTILINE))
    rules = [*RULES.items(), *EXECUTOR_RULES.items()]
    assert told == {number: (check.__doc__ or "").splitlines()[0] for number, check in rules}


def answer(status: int, body: Any = None, kind: str = "application/json") -> httpx.Response:
    request = httpx.Request("POST", "http://api.example.com/internal/api/v1/executors")
    return httpx.Response(status, json=body, headers={"content-type": kind}, request=request)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [(answer(200, {}), 401), (answer(404, {}, "application/problem+json"), 410), (answer(410, {}), 410)],
)
def test_another_status_or_a_refusal_in_another_form_breaks_a_rule(
    found: httpx.Response, wanted: int
) -> None:
    with pytest.raises(BrokenRuleError, match="/executors"):
        expect(found, wanted)


class SilentKit(Kit):
    """An API that gives away executors to everybody and knows nothing else."""

    def __init__(self) -> None:
        self.name, self.registration_token = "conformance-test", "token"
        self.http = httpx.Client(transport=httpx.MockTransport(self.told), base_url="http://api.example.com")
        self.one, self.two = self.register("one"), self.register("two")

    def clear(self) -> None:
        """Nothing of it ever ran."""

    def told(self, _request: httpx.Request) -> httpx.Response:
        terms = {"id": 1, "token": "same", "lease_seconds": 30, "heartbeat_interval_seconds": 29}
        return httpx.Response(200, json=terms)


def test_a_broken_api_is_told_rule_by_rule() -> None:
    results: list[Result] = []
    assert try_rules(RULES, SilentKit(), ("R1", "R2", "R4"), results.append) == 3
    assert [result.number for result in results] == ["R1", "R2", "R4"]
    assert "answered 200 instead of 401" in results[0].fault
    assert "same token" in results[1].fault


def test_a_kit_that_is_ended_ends_the_executor_that_it_started(tmp_path: Path) -> None:
    """Told by a pipe that the executor alone holds: it is closed when the last of its processes is gone."""
    pipe = tmp_path / "held"
    os.mkfifo(pipe)
    executor = tmp_path / "executor.py"
    executor.write_text(
        f"held = open({str(pipe)!r}, 'w')\nheld.write('x')\nheld.flush()\nimport time\ntime.sleep(600)"
    )
    command = [
        sys.executable,
        "-m",
        "drover_cli",
        "conformance",
        "--executor",
        f"{sys.executable} {executor}",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as kit:
        with pipe.open() as held:
            assert held.read(1) == "x"
            kit.send_signal(signal.SIGTERM)
            assert held.read() == ""
        assert kit.wait(20) == 128 + signal.SIGTERM
