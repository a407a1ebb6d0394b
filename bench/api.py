"""Launches, job details and lists over a million jobs, beside the same statements bare on one connection.

    python bench/api.py [--jobs 1000000] [--requests 400] [--launches 1500]

The API is a real process with two workers. Each kind of request is first made once in this process, where its
SQL is recorded; `bare` runs exactly those statements on one connection, so a ratio is what HTTP, access
control, validation and JSON cost on top of the database.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import httpx
from cryptography.fernet import Fernet
from drover_api.app import create_app
from drover_api.bootstrap import ensure_built_ins
from drover_api.deps import Deps, make_deps
from drover_api.settings import ApiSettings
from drover_shared.db.models import User
from drover_shared.settings import S3Settings
from sqlalchemy import Engine, event, text
from support.api import token_for
from support.api_process import ApiProcess, Place
from support.launch_rows import grant, make_world
from support.servers import S3_KEYS, StackServers, running_servers

TEMPLATES, USERS = 10_000, 1_000
CLIENTS = 8
# One in a thousand of the million still waits or runs; the rest has ended, a second after the other.
_FILL = text("""
    INSERT INTO jobs (name, organization_id, job_template_id, inventory_id, project_id, inventory_snapshot_id,
                      project, playbook, launched_by_id, status, created_at, started_at, finished_at,
                      execution_environment_id)
    SELECT 'Deploy ' || n, :organization, :template + n % :templates, :inventory, :project, :snapshot, '{}',
           'deploy.yml', :user,
           CASE WHEN n % 10 = 0 THEN 'failed' WHEN n % 97 = 0 THEN 'canceled' ELSE 'successful' END,
           now() - make_interval(secs => :jobs - n), now() - make_interval(secs => :jobs - n - 1),
           now() - make_interval(secs => :jobs - n - 9), :environment
    FROM generate_series(1, :jobs) AS n
""")
_TEMPLATES = text("""
    INSERT INTO job_templates (name, organization_id, inventory_id, project_id, playbook, allow_simultaneous,
                               execution_environment_id)
    SELECT 'Deploy App ' || n, organization_id, inventory_id, project_id, playbook, true,
           execution_environment_id
    FROM job_templates, generate_series(2, :templates) AS n WHERE id = :template
""")

# Every user may execute a hundred templates, each of them another hundred.
_USERS = text("""
    INSERT INTO users (username) SELECT 'user-' || n FROM generate_series(1, :users) AS n;
    INSERT INTO role_assignments (role, resource_type, resource_id, user_id)
    SELECT 'execute', 'job_template', :template + (users.id * 97 + n * 100) % :templates, users.id
    FROM users, generate_series(0, 99) AS n WHERE username LIKE 'user-%'
    ON CONFLICT DO NOTHING;
""")


@dataclass(frozen=True)
class Case:
    """One kind of request, as `who`."""

    name: str
    who: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None


def fill(deps: Deps, jobs: int) -> tuple[int, int]:
    """The world and its jobs; returns a template's id and a job's."""
    with deps.sessions.begin() as db:
        ensure_built_ins(db)
        users = {name: User(username=name) for name in ("admin", "member")}
        users["admin"].is_superuser = True
        db.add_all(users.values())
        world = make_world(db, allow_simultaneous=True)
        db.execute(_TEMPLATES, {"templates": TEMPLATES, "template": world.template_id})
        grant(db, "member", "admin", "organization", world.organization_id)
        many = {"users": USERS, "templates": TEMPLATES, "template": world.template_id}
        db.execute(_USERS, many)
        snapshot = db.scalar(
            text(
                "INSERT INTO inventory_snapshots (inventory_id, version, manifest) VALUES (:id, 1, '{}')"
                " RETURNING id"
            ),
            {"id": world.inventory_id},
        )
        values = {
            "organization": world.organization_id,
            "template": world.template_id,
            "templates": TEMPLATES,
            "inventory": world.inventory_id,
            "project": world.project_id,
            "environment": world.environment_id,
            "snapshot": snapshot,
            "user": users["admin"].id,
            "jobs": jobs,
        }
        db.execute(_FILL, values)
    with deps.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        job = connection.scalar(text("SELECT max(id) FROM jobs"))
    return world.template_id, int(job or 0)


def cases(template: int, job: int) -> list[Case]:
    return [
        Case("detail", "admin", "GET", f"/jobs/{job // 2}"),
        Case("list", "admin", "GET", "/jobs"),
        Case("list, of an organization", "member", "GET", "/jobs"),
        Case("list, of 100 templates' user", "user-7", "GET", "/jobs"),
        Case("templates, of their user", "user-7", "GET", "/job-templates"),
        Case("templates", "admin", "GET", "/job-templates"),
        Case("list, failed", "admin", "GET", "/jobs?status=failed"),
        Case("list, of a template", "admin", "GET", f"/jobs?job_template_id={template}"),
        Case("launch", "admin", "POST", "/jobs", {"job_template_id": template}),
    ]


@contextmanager
def recording(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """The statements that this process sends meanwhile."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def bare(deps: Deps, client: Any, case: Case, token: str, times: int) -> list[float]:
    """Seconds of the request's own statements, commit included, on one connection."""
    headers = {"Authorization": f"Bearer {token}"}
    with recording(deps.engine) as statements:
        answer = client.open(f"/api/v1{case.path}", method=case.method, json=case.body, headers=headers)
        if answer.status_code >= 400:
            raise SystemExit(f"{case.name}: {answer.status_code}")
    connection = deps.engine.raw_connection()

    def replay(_number: int) -> None:
        cursor = connection.cursor()
        for statement, parameters in statements:
            cursor.execute(statement, parameters)
            if cursor.description:
                cursor.fetchall()
        connection.commit()

    found = timed(replay, times)
    connection.close()
    return found


def timed(action: Callable[[int], object], times: int) -> list[float]:
    found = []
    for number in range(times + 20):
        begun = time.perf_counter()
        action(number)
        found.append(time.perf_counter() - begun)
    return found[20:]  # the first ones fill caches


def over_http(url: str, case: Case, token: str, times: int) -> list[float]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=60) as client:

        def ask(_number: int) -> None:
            client.request(case.method, case.path, json=case.body).raise_for_status()

        return timed(ask, times)


def launches_a_second(url: str, template: int, token: str, launches: int, at_once: int = 1) -> float:
    """Jobs a second, from clients that each launch `at_once` by a request.

    They share the machine's cores with the API, so they are the cheapest that Python has.
    """
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    path, body = "/api/v1/jobs", {"job_template_id": template}
    if at_once > 1:
        path, body = "/api/v1/bulk/jobs", {"jobs": [body] * at_once}
    requests, sent = max(1, launches // CLIENTS // at_once), json.dumps(body)

    def one_client(_number: int) -> None:
        with closing(HTTPConnection(urlsplit(url).netloc, timeout=60)) as connection:
            for _ in range(requests):
                connection.request("POST", path, sent, headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status >= HTTPStatus.BAD_REQUEST:
                    raise RuntimeError(text.decode())

    begun = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(one_client, range(CLIENTS)))
    return requests * at_once * CLIENTS / (time.perf_counter() - begun)


def tell(case: Case, asked: list[float], alone: list[float]) -> None:
    (a50, a99), (b50, b99) = (_percentiles(each) for each in (asked, alone))
    print(
        f"  {case.name:<28} p50 {a50:>6.1f} ms  p99 {a99:>6.1f} ms"
        f"   bare p50 {b50:>6.2f} ms  p99 {b99:>6.2f} ms"
        f"   ratio {a50 / b50:>5.1f}"
    )


def _percentiles(seconds: list[float]) -> tuple[float, float]:
    times = sorted(seconds)
    p50, p99 = (times[min(len(times) - 1, int(len(times) * share))] * 1e3 for share in (0.5, 0.99))
    return p50, p99


def serving(settings: ApiSettings, log: Path) -> ApiProcess:
    """The API as its own process, over the same servers."""
    place = Place(settings.database_url, settings.redis_url, settings.s3)
    return ApiProcess(
        place,
        log,
        {
            "DROVER_SECRET_KEYS": ",".join(settings.secret_keys),
            "DROVER_REGISTRATION_TOKEN": settings.registration_token,
            "DROVER_LOG_LEVEL": "warning",
            "DROVER_API_REQUESTS_PER_SECOND": "0",
            "DROVER_API_WORKERS": str(settings.workers),
        },
    )


def measure(servers: StackServers, options: argparse.Namespace) -> None:
    s3 = S3Settings(
        endpoint=servers.s3_endpoint,
        bucket=servers.make_bucket(),
        access_key=S3_KEYS[0],
        secret_key=S3_KEYS[1],
    )
    settings = ApiSettings(
        database_url=servers.database_url(servers.make_database()),
        redis_url=servers.redis_url(servers.next_redis_database()),
        s3=s3,
        secret_keys=(f"k1:{Fernet.generate_key().decode()}",),
        registration_token="of-the-bench",  # noqa: S106 - of servers that end with the bench
    )
    deps = make_deps(settings)
    template, job = fill(deps, options.jobs)
    tokens = {name: token_for(deps, name) for name in ("admin", "member", "user-7")}
    client = create_app(deps).test_client()
    print(f"{options.jobs:,} jobs, {TEMPLATES:,} templates, {USERS:,} users")
    with serving(settings, servers.home / "api.log") as api:
        url = api.url
        for case in cases(template, job):
            token = tokens[case.who]
            alone = bare(deps, client, case, token, options.requests)
            tell(case, over_http(url, case, token, options.requests), alone)
        rate = launches_a_second(url, template, tokens["admin"], options.launches)
        bulk = launches_a_second(url, template, tokens["admin"], options.launches * 4, 100)
        print(
            f"  {rate:,.0f} launches/s one by one, {bulk:,.0f}/s by the hundred, from {CLIENTS} clients,"
            " which share the processors (target: 300 on two cores)"
        )
    deps.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--launches", type=int, default=1500)
    options = parser.parse_args()
    with running_servers() as servers:
        measure(servers, options)


if __name__ == "__main__":
    main()
