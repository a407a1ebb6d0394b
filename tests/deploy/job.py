"""Runs one real job over the published port and checks what comes back; the standard library is enough.

usage: python -m deploy.job ENV-FILE SECRETS-FOLDER   (those that the composition was started with)
"""

import base64
import http.client
import json
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

REPOSITORY = "git://git/project.git"
INVENTORY = "\n".join(
    f"{host} ansible_connection=local ansible_python_interpreter=/usr/bin/python3 {more}"
    for host, more in (("alpha", ""), ("beta", ""), ("gamma", "must_fail=true"))
)
GREETING = "hello from a container"
JOB_SECONDS = 300.0
PAUSE_SECONDS = 0.5
AWAY_SECONDS = 120.0
AWAY = {502, 503, 504}
FINAL = {"successful", "failed", "canceled", "error"}
HIDDEN = (
    "/internal/api/v1/executors",
    "//internal/api/v1/executors",
    "/%69nternal/api/v1/executors",
    "/api/../internal/api/v1/executors",
    "/api/%2e%2e/internal/api/v1/executors",
    "/metrics",
)

Json = dict[str, Any]
T = TypeVar("T")


class Api:
    """The public API, as a client outside sees it."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.authorization = ""

    def call(self, method: str, path: str, body: Json | None = None) -> bytes:
        """The answer's body. Raises urllib.error.HTTPError, told what the problem is."""
        request = urllib.request.Request(  # noqa: S310  the address is our own
            f"{self.base}{path}", method=method, data=None if body is None else json.dumps(body).encode()
        )
        request.add_header("Content-Type", "application/json")
        if self.authorization:
            request.add_header("Authorization", self.authorization)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                content: bytes = answer.read()
        except urllib.error.HTTPError as error:
            error.add_note(error.read().decode(errors="replace"))
            raise
        return content

    def get(self, path: str) -> Json:
        found: Json = json.loads(self.call("GET", f"/api/v1{path}"))
        return found

    def post(self, path: str, body: Json) -> Json:
        made: Json = json.loads(self.call("POST", f"/api/v1{path}", body) or b"{}")
        return made

    def login(self, password: str) -> None:
        self.authorization = "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()
        token = self.post("/tokens", {"description": "proof", "scope": "write"})["token"]
        self.authorization = f"Bearer {token}"


def settings(path: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in path.read_text().splitlines() if line[:1].isupper())
    return {name: value for name, _, value in pairs}


def status_of(api: Api, path: str) -> tuple[int, str]:
    """The status and the content type of an answer, whatever it is."""
    try:
        api.call("GET", path)
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"]
    return 200, ""


def check_hidden(api: Api) -> None:
    """What is for the inside alone is not found from outside, however the path is spelled."""
    for path in HIDDEN:
        assert status_of(api, path) == (404, "application/problem+json"), path


def make_template(api: Api, playbook: str = "site.yml", **extra_vars: Any) -> int:
    """A template of the proof's project, with an organization, an inventory and the rest of its own."""
    name = f"Proof {time.time_ns()}"
    owner = {"organization_id": api.post("/organizations", {"name": name})["id"]}
    project = api.post("/projects", {"name": name, "scm_type": "git", "scm_url": REPOSITORY, **owner})
    inventory = api.post("/inventories", {"name": name, **owner})
    api.post(f"/inventories/{inventory['id']}/import", {"format": "ini", "content": INVENTORY})
    environment = api.post(
        "/execution-environments", {"name": name, "image": "localhost/none", "pull": "missing", **owner}
    )
    template = api.post(
        "/job-templates",
        {
            "name": name,
            "inventory_id": inventory["id"],
            "project_id": project["id"],
            "playbook": playbook,
            "execution_environment_id": environment["id"],
            "extra_vars": {"greeting": GREETING, **extra_vars},
        },
    )
    template_id: int = template["id"]
    return template_id


def patiently(call: Callable[[], T]) -> T:
    """The answer of a call that may be repeated; while the API is away it is asked again."""
    until = time.monotonic() + AWAY_SECONDS
    while True:
        try:
            return call()
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            passing = not isinstance(error, urllib.error.HTTPError) or error.code in AWAY
            if not passing or time.monotonic() > until:
                raise
            time.sleep(PAUSE_SECONDS)


def finished(api: Api, job_id: int) -> Json:
    """The job when it is over and its events and its log are stored."""
    until = time.monotonic() + JOB_SECONDS
    while time.monotonic() < until:
        job = patiently(lambda: api.get(f"/jobs/{job_id}"))
        if job["status"] in FINAL and job["events_complete"] and job["log_complete"]:
            return job
        time.sleep(PAUSE_SECONDS)
    sys.exit(f"not over within {JOB_SECONDS:g} s: {job}")


def check_job(api: Api, job: Json) -> None:
    assert job["status"] == "failed", job  # gamma fails, as its variable asks
    summary = job["summary"]
    assert (summary["hosts_total"], summary["hosts_ok"], summary["hosts_failed"]) == (3, 2, 1), summary
    found = api.get(f"/jobs/{job['id']}/host-summaries")["items"]
    recap = {host["host"]: (host["ok"], host["changed"], host["failed"], host["skipped"]) for host in found}
    assert recap == {"alpha": (4, 2, 0, 1), "beta": (4, 2, 0, 1), "gamma": (3, 2, 1, 0)}, recap
    events = api.get(f"/jobs/{job['id']}/events?limit=200")["items"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["event_type"] == "JOB_COMPLETED", events[-1]
    log = api.call("GET", f"/api/v1/jobs/{job['id']}/log?format=text").decode()
    for words in ("TASK [Read them back]", "settings of beta are in place", "PLAY RECAP"):
        assert words in log, log
    sys.stdout.write(
        f"   job {job['id']}: {job['status']}; {len(events)} events, {len(log)} characters of log; "
        f"(ok, changed, failed, skipped) a host: {recap}\n"
    )


def api_of(env_file: Path, secrets: Path) -> Api:
    """The composition's API, for its administrator."""
    api = Api(f"http://127.0.0.1:{settings(env_file)['DROVER_PORT']}")
    api.login((secrets / "admin-password").read_text())
    return api


def run_job(api: Api) -> None:
    job = api.post("/jobs", {"job_template_id": make_template(api)})
    check_job(api, finished(api, job["id"]))


def check_tls(env_file: Path, secrets: Path) -> None:
    """The gateway by HTTPS, with the certificate it was given; what it cannot read gets a problem, too."""
    trusted = ssl.create_default_context(cafile=str(secrets / "tls-certificate"))
    port = int(settings(env_file)["DROVER_TLS_PORT"])
    with urllib.request.urlopen(f"https://localhost:{port}/api/v1/openapi.json", context=trusted) as answer:
        assert json.load(answer)["openapi"].startswith("3.1")
    with trusted.wrap_socket(
        socket.create_connection(("localhost", port)), server_hostname="localhost"
    ) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 40_000 + b"\r\n\r\n")
        head = raw.recv(4096)
    assert head.startswith(b"HTTP/1.1 400"), head
    assert b"application/problem+json" in head, head


def main(env_file: Path, secrets: Path) -> None:
    api = api_of(env_file, secrets)
    check_hidden(api)
    check_tls(env_file, secrets)
    run_job(api)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
