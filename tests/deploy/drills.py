"""What an operator hopes never to need, on the composition: each drill breaks it under a running job.

usage: python -m deploy.drills DRILL WORK-FOLDER PROJECT COMPOSE-COMMAND…
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from deploy.job import PAUSE_SECONDS, Api, Json, api_of, finished, make_template, patiently, run_job
from deploy.start import Project, output, start_all

HOSTS = 3
STEPS = 30  # seconds at least that a job of the drills takes
WAIT_SECONDS = 120.0
OURS = ("api", "scheduler", "event-ingest", "log-store")
METRICS = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8081/metrics').read().decode())"
READY_EVENTS = {
    "scheduler": "scheduler_started",
    "event-ingest": "worker_started",
    "log-store": "worker_started",
    "executor": "executor_ready",
}
SERVERS = ("postgres", "redis", "minio")


class Drill:
    """A composition that runs, and what is known of it."""

    def __init__(self, work: Path, project: Project) -> None:
        self.work, self.project = work, project

    def api(self) -> Api:
        return patiently(lambda: api_of(self.work / "env", self.work / "secrets"))

    def launch(self, api: Api) -> int:
        """A job that is in the middle of its work."""
        template = make_template(api, "slow.yml", steps=STEPS)
        job_id: int = api.post("/jobs", {"job_template_id": template})["id"]
        until("the job puts out", lambda: len(events_of(api, job_id)) > HOSTS)
        return job_id

    def redis_lost(self) -> None:
        """Redis goes with its memory, and comes back empty."""
        api = self.api()
        job_id = self.launch(api)
        self.project.kill("redis", with_data=True)
        until("an executor keeps what it cannot send", self._holds_back)
        self.project.start(["redis"])
        check_whole(api, finished(api, job_id))
        run_job(api)

    def failover(self) -> None:
        """The master goes for good; a Sentinel makes the replica the master."""
        api = self.api()
        job_id = self.launch(api)
        self.project.kill("redis", with_data=True)
        role = ("redis-cli", "-p", "26379", "sentinel", "get-master-addr-by-name", "drover")
        before = self.project.ask("sentinel", *role)
        until("there is another master", lambda: self.project.ask("sentinel", *role) != before)
        check_whole(api, finished(api, job_id))
        run_job(api)

    def restore(self) -> None:
        """A backup beside running services; every server's data is gone; the way back that the docs tell."""
        api = self.api()
        job_id = self.launch(api)
        finished(api, job_id)
        before = all_of(api, job_id)
        folder = self.work / "backup"
        folder.mkdir(exist_ok=True)
        self._backup(folder)
        for service in ("gateway", *OURS, "executor"):
            self.project.stop(service)
        for server in SERVERS:
            self.project.kill(server, with_data=True)
        self.project.start(SERVERS)
        for server in SERVERS:
            self.project.wait(server, "service_healthy")
        self._restore(folder)
        for once in ("migrate", "create-bucket"):
            self.project.kill(once)
        start_all(self.project)
        api = self.api()
        assert all_of(api, job_id) == before, "the job is another than it was"
        run_job(api)

    def upgrade(self) -> None:
        """A composition of the release before becomes this one's, while a job runs."""
        api = self.api()
        run_job(api)
        job_id = self.launch(api)
        set_tag(self.work / "env", "latest")
        self.project.kill("migrate")
        self.project.start(["migrate"])
        self.project.wait("migrate", "service_completed_successfully")
        for service in OURS:
            self.project.stop(service)
            self.project.start([service])
            self.project.wait(service, "service_healthy")
        check_whole(api, finished(api, job_id))
        self.project.stop("executor")
        self.project.start(["executor"])
        self.project.wait("executor", "service_healthy")
        run_job(api)
        for service in (*OURS, "executor"):
            [container] = self.project.containers(service)
            image = output("podman", "inspect", "--format", "{{.ImageName}}", container).strip()
            assert image.endswith(":latest"), image

    def reload(self) -> None:
        """For work on Drover: what changes in the mounted code runs within moments, in every service."""
        api, code = self.api(), self.work / "dev"
        run_job(api)
        with (code / "services/api/src/drover_api/version.py").open("a") as version:
            version.write('VERSION += "+edited"\n')
        until("the API runs the changed code", lambda: _version(api).endswith("+edited"))
        for service, ready in READY_EVENTS.items():
            before = self._logged(service, ready)
            module = f"services/{service}/src/drover_{service.replace('-', '_')}/__main__.py"
            with (code / module).open("a") as main_module:
                main_module.write("# changed\n")
            again = partial(self._starts_after, service, ready, before)
            until(f"the {service} started again", again)
        run_job(api)

    # Inside

    def _logged(self, service: str, event: str) -> int:
        [container] = self.project.containers(service)
        return output("podman", "logs", container).count(event)

    def _starts_after(self, service: str, event: str, before: int) -> bool:
        return self._logged(service, event) > before

    def _objects(self, folder: Path, command: str) -> None:
        self.project.compose(
            *("run", "--rm", "--no-deps", "--user", "0:0", "--volume", f"{folder}:/backup"),
            *("--entrypoint", "python", "create-bucket", "-m", "drover_shared.backup", command, "/backup"),
        )

    def _postgres(self, *command: str) -> list[str]:
        return ["podman", "exec", "--interactive", f"{self.project.name}_postgres_1", *command]

    def _backup(self, folder: Path) -> None:
        self._objects(folder, "objects")
        with (folder / "database.dump").open("wb") as dump:
            subprocess.run(
                self._postgres("pg_dump", "-Fc", "-U", "drover", "drover"), check=True, stdout=dump
            )
        self._objects(folder, "objects")

    def _restore(self, folder: Path) -> None:
        self._objects(folder, "restore-objects")
        command = ("pg_restore", "-U", "drover", "-d", "drover", "--no-owner", "--single-transaction")
        with (folder / "database.dump").open("rb") as dump:
            subprocess.run(self._postgres(*command), check=True, stdin=dump)

    def _holds_back(self) -> bool:
        """Whether an executor has found that its output cannot be sent."""
        return any(
            float(line.split()[-1]) > 0
            for container in self.project.containers("executor")
            for line in output("podman", "exec", container, "python", "-c", METRICS).splitlines()
            if line.startswith("drover_executor_held_back_total ")
        )


def _version(api: Api) -> str:
    document = patiently(lambda: api.get("/openapi.json"))
    version: str = document["info"]["version"]
    return version


def until(what: str, look: Callable[[], bool]) -> None:
    """Exits where it does not come true in time."""
    end = time.monotonic() + WAIT_SECONDS
    while not look():
        if time.monotonic() > end:
            sys.exit(f"not within {WAIT_SECONDS:g} s: {what}")
        time.sleep(PAUSE_SECONDS)
    sys.stdout.write(f"   {what}\n")
    sys.stdout.flush()


def events_of(api: Api, job_id: int) -> list[Json]:
    events: list[Json] = []
    while True:
        after = events[-1]["seq"] if events else 0
        path = f"/jobs/{job_id}/events?limit=200&after_seq={after}"
        page: list[Json] = patiently(lambda path=path: api.get(path))["items"]  # type: ignore[misc]
        if not page:
            return events
        events += page


def all_of(api: Api, job_id: int) -> tuple[Json, list[Json], list[Json], bytes]:
    log = api.call("GET", f"/api/v1/jobs/{job_id}/log")
    hosts: list[Json] = api.get(f"/jobs/{job_id}/host-summaries")["items"]
    return api.get(f"/jobs/{job_id}"), hosts, events_of(api, job_id), log


def check_whole(api: Api, job: Json) -> None:
    """Successful, in one attempt, with every event, result and line."""
    assert job["status"] == "successful", job
    assert api.get(f"/jobs/{job['id']}/runs")["total"] == 1, "another attempt was made"
    _, hosts, events, log = all_of(api, job["id"])
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["event_type"] == "JOB_COMPLETED", events[-1]
    items = sum(event["event_type"] == "TASK_ITEM_OK" for event in events)
    assert items == HOSTS * STEPS, items
    assert [host["ok"] for host in hosts] == [1] * HOSTS, hosts
    lines = log.decode().count("(item=")
    assert lines == HOSTS * STEPS, lines
    sys.stdout.write(f"   job {job['id']}: {len(events)} events, {lines} results in its log, one attempt\n")


def set_tag(env_file: Path, tag: str) -> None:
    lines = [line for line in env_file.read_text().splitlines() if not line.startswith("DROVER_TAG=")]
    env_file.write_text("\n".join([*lines, f"DROVER_TAG={tag}", ""]))


def main(drill: str, work: Path, name: str, compose: Sequence[str]) -> None:
    known = Drill(work, Project(name, compose))
    {
        "redis-lost": known.redis_lost,
        "failover": known.failover,
        "restore": known.restore,
        "upgrade": known.upgrade,
        "reload": known.reload,
    }[drill]()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
