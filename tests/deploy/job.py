"""Runs one real job over the published port and checks what comes back; the standard library is enough.

usage: job.py ENV-FILE SECRETS-FOLDER   (the settings and secrets that the composition was started with)
"""

import base64
import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

REPOSITORY = "git://git/project.git"
INVENTORY = "\n".join(
    f"{host} ansible_connection=local ansible_python_interpreter=/usr/bin/python3 {more}"
    for host, more in (("alpha", ""), ("beta", ""), ("gamma", "must_fail=true"))
)
GREETING = "hello from a container"
JOB_SECONDS = 300.0
PAUSE_SECONDS = 0.5
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


def make_template(api: Api) -> int:
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
            "playbook": "site.yml",
            "execution_environment_id": environment["id"],
            "extra_vars": {"greeting": GREETING},
        },
    )
    template_id: int = template["id"]
    return template_id


def finished(api: Api, job_id: int) -> Json:
    """The job when it is over and its events and its log are stored."""
    until = time.monotonic() + JOB_SECONDS
    while time.monotonic() < until:
        job = api.get(f"/jobs/{job_id}")
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


def main(env_file: Path, secrets: Path) -> None:
    env = settings(env_file)
    api = Api(f"http://127.0.0.1:{env['DROVER_PORT']}")
    check_hidden(api)
    api.login((secrets / "admin-password").read_text())
    job = api.post("/jobs", {"job_template_id": make_template(api)})
    check_job(api, finished(api, job["id"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
