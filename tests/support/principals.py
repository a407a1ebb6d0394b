"""One of each kind of user, and one of each kind of thing, in an organization `a` beside an empty `b`."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from drover_api.deps import Deps
from drover_shared.db.models import Activity, Executor, HostFacts, Job, JobRun, Token, User
from drover_shared.ids import new_run_id, token_hash
from flask import Flask
from sqlalchemy import select

from support.api import Api, token_for

OBJECT_ROLES = {
    "team": ("admin", "read"),
    "inventory": ("admin", "use", "update", "read"),
    "project": ("admin", "use", "update", "read"),
    "credential": ("admin", "use", "read"),
    "execution_environment": ("admin", "use", "read"),
    "job_template": ("admin", "execute", "read"),
}
PLURAL = {
    "team": "teams",
    "inventory": "inventories",
    "project": "projects",
    "credential": "credentials",
    "execution_environment": "execution-environments",
    "job_template": "job-templates",
}


@dataclass
class Cast:
    """`users` by what they are; `ids` of organization a's things, and of some users, by name."""

    app: Flask
    deps: Deps
    users: dict[str, Api]
    ids: dict[str, Any] = field(default_factory=dict)
    numbers: "count[int]" = field(default_factory=count)

    @property
    def admin(self) -> Api:
        return self.users["superuser"]

    def person(self, name: str) -> None:
        self.users[name] = Api(self.app.test_client(), token_for(self.deps, name))
        self.ids[name] = self.users[name].get("/me").get_json()["id"]

    def grant(self, name: str, role: str, kind: str) -> int:
        made: int = self.admin.make(
            "/role-assignments",
            role=role,
            resource_type=kind,
            resource_id=self.ids[kind],
            user_id=self.ids[name],
        )["id"]
        return made

    def fresh_user(self) -> int:
        """A new member of organization a."""
        made: int = self.admin.make("/users", username=f"fresh-{next(self.numbers)}")["id"]
        self.ids["fresh"] = made
        self.grant("fresh", "member", "organization")
        return made

    def fresh_assignment(self) -> int:
        self.fresh_user()
        return self.grant("fresh", "read", "inventory")

    def fresh_token(self) -> int:
        """A token of the superuser's."""
        with self.deps.sessions.begin() as db:
            user_id = db.scalars(select(User.id).where(User.username == "admin")).one()
            row = Token(user_id=user_id, token_hash=token_hash(f"t{next(self.numbers)}"), scope="read")
            db.add(row)
            db.flush()
            return row.id

    def fresh_job(self) -> int:
        """A job of the template that has ended, launched by nobody who asks."""
        made: int = self.admin.make("/jobs", job_template_id=self.ids["job_template"])["id"]
        run = JobRun(id=new_run_id(), job_id=made, attempt_number=1, state="successful")
        with self.deps.sessions.begin() as db:
            db.add(run)
            db.flush()
            self.ids["run"] = run.id
            job = db.get_one(Job, made)
            job.launched_by_id = None
            for status in ("queued", "running", "successful"):
                job.status, job.current_run_id = status, run.id
                db.flush()
        return made


def make_cast(app: Flask, deps: Deps, admin: Api) -> Cast:
    cast = Cast(app, deps, {"superuser": admin})
    _make_things(cast)
    cast.users["anonymous"] = Api(app.test_client(), None)
    cast.users["reading"] = Api(app.test_client(), token_for(deps, "admin", scope="read"))
    for name in ("auditor", "owner", "org_auditor", "org_member", "by_team", "stranger"):
        cast.person(name)
    assert admin.patch(f"/users/{cast.ids['auditor']}", {"is_system_auditor": True}).status_code == 200
    for name, role in (("owner", "admin"), ("org_auditor", "auditor"), ("org_member", "member")):
        cast.grant(name, role, "organization")
    for role in ("admin", "use", "execute", "update", "read"):
        cast.person(f"obj_{role}")
        for kind, roles in OBJECT_ROLES.items():
            if role in roles:
                cast.grant(f"obj_{role}", role, kind)
    team = cast.ids["team"]
    assert admin.put(f"/teams/{team}/members/{cast.ids['by_team']}").status_code == 204
    admin.make(
        "/role-assignments",
        role="admin",
        resource_type="job_template",
        resource_id=cast.ids["job_template"],
        team_id=team,
    )
    return cast


def _make_things(cast: Cast) -> None:
    admin, ids = cast.admin, cast.ids
    types = {one["namespace"]: one["id"] for one in admin.get("/credential-types").get_json()["items"]}
    ids["organization"] = admin.make("/organizations", name="a")["id"]
    admin.make("/organizations", name="b")
    own = {"name": "thing", "organization_id": ids["organization"]}
    extra: dict[str, dict[str, Any]] = {
        "project": {"scm_url": "https://git.example.com/app"},
        "execution_environment": {"image": "example.com/ee"},
        "credential": {"credential_type_id": types["machine"], "inputs": {"password": "secret"}},
    }
    for kind in ("team", "inventory", "project", "execution_environment", "credential"):
        ids[kind] = admin.make(f"/{PLURAL[kind]}", **own, **extra.get(kind, {}))["id"]
    ids["job_template"] = admin.make(
        "/job-templates",
        name="thing",
        inventory_id=ids["inventory"],
        project_id=ids["project"],
        playbook="site.yml",
        allow_simultaneous=True,
    )["id"]
    content = f"/inventories/{ids['inventory']}"
    ids["host"] = admin.make(f"{content}/hosts", name="h1")["id"]
    ids["group"], ids["child"] = (admin.make(f"{content}/groups", name=name)["id"] for name in ("g1", "g2"))
    ids["credential_type"] = admin.make("/credential-types", name="own", namespace="own")["id"]
    ids["machine"] = types["machine"]
    ids["executor_pool"] = admin.make("/executor-pools", name="edge")["id"]
    with cast.deps.sessions.begin() as db:
        executor = Executor(name="one", pools=["edge"], slots=1, version="1", token_hash=b"x")
        db.add(executor)
        ids["activity"] = db.scalars(
            select(Activity.id).where(Activity.resource_type == "inventory").limit(1)
        ).one()
        for host in ("h1", str(ids["host"])):  # in a path a thing stands by its number
            db.add(HostFacts(inventory_id=ids["inventory"], host=host, facts={}, bytes=2, job_id=1))
        db.flush()
        ids["executor"] = executor.id
