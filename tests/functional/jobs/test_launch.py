"""Launching over HTTP: merge of template and overrides, access, and what is refused."""

from time import perf_counter
from typing import Any

import pytest
from drover_api.deps import Deps
from drover_shared.db.models import ExecutionEnvironment, Job, JobTemplate, Organization, Project
from flask import Flask
from sqlalchemy import func, select
from support.api import Api, token_for
from support.launch_rows import World, add_credential, grant, make_world
from support.servers import StackServers


@pytest.fixture
def world(api_deps: Deps) -> World:
    with api_deps.sessions.begin() as db:
        return make_world(db, extra_vars={"some_var": "value", "env": "test"})


def change_template(deps: Deps, world: World, **values: Any) -> None:
    with deps.sessions.begin() as db:
        template = db.get_one(JobTemplate, world.template_id)
        for name, value in values.items():
            setattr(template, name, value)


def launched(admin: Api, world: World, **body: Any) -> dict[str, Any]:
    return admin.make("/jobs", job_template_id=world.template_id, **body)


def pointers(answer: Any) -> set[str]:
    assert answer.status_code == 422, answer.get_data(as_text=True)
    assert answer.content_type == "application/problem+json"
    return {error["pointer"] for error in answer.get_json()["errors"]}


def test_a_launch_takes_everything_from_the_template(admin: Api, world: World) -> None:
    answer = admin.post("/jobs", {"job_template_id": world.template_id})
    assert answer.status_code == 201
    job = answer.get_json()
    assert answer.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    assert "Deprecation" not in answer.headers
    assert (job["status"], job["name"]) == ("pending", "Deploy App")
    assert job["inventory_id"] == world.inventory_id
    assert job["execution_environment_id"] == world.environment_id
    assert job["extra_vars"] == {"some_var": "value", "env": "test"}
    assert job["pending_reason"]["code"] == "scheduling"
    assert admin.get(f"/jobs/{job['id']}").get_json()["status"] == "pending"


def test_overrides_go_over_the_template_where_it_asks(admin: Api, api_deps: Deps, world: World) -> None:
    change_template(api_deps, world, ask=["extra_vars", "verbosity", "limit", "job_type"])
    job = launched(
        admin, world, extra_vars={"env": "prod"}, verbosity=3, limit="web01.example.com", job_type="check"
    )
    assert job["extra_vars"] == {"some_var": "value", "env": "prod"}
    assert (job["verbosity"], job["limit"], job["job_type"]) == (3, "web01.example.com", "check")


@pytest.mark.parametrize(
    ("override", "pointer"),
    [
        ({"verbosity": 3}, "/verbosity"),
        ({"limit": "web01"}, "/limit"),
        ({"job_type": "check"}, "/job_type"),
        ({"extra_vars": {"env": "prod"}}, "/extra_vars/env"),
        ({"extra_vars": {"a/b": 1}}, "/extra_vars/a~1b"),
        ({"inventory_id": 999_999}, "/inventory_id"),
        ({"execution_environment": {"id": 999_999}}, "/execution_environment_id"),
        ({"tags": ["x"]}, "/tags"),
        ({"credential_ids": [999_999]}, "/credential_ids"),
    ],
)
def test_an_override_nobody_asked_for_is_refused(
    admin: Api, world: World, override: dict[str, Any], pointer: str
) -> None:
    answer = admin.post("/jobs", {"job_template_id": world.template_id, **override})
    assert pointers(answer) == {pointer}


def test_a_value_equal_to_the_templates_overrides_nothing(admin: Api, world: World) -> None:
    launched(admin, world, inventory_id=world.inventory_id, limit=None, extra_vars={"env": "test"})


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/job_template_id"),
        ({"job_template_id": "17"}, "/job_template_id"),
        ({"job_template_id": True}, "/job_template_id"),
        ({"job_template_id": 2**70}, "/job_template_id"),
        ({"job_template_id": 999_999}, "/job_template_id"),
        ({"job_template_id": 1, "colour": "red"}, "/colour"),
        ({"job_template_id": 1, "verbosity": "3"}, "/verbosity"),
        ({"job_template_id": 1, "verbosity": 6}, "/verbosity"),
        ({"job_template_id": 1, "extra_vars": []}, "/extra_vars"),
        ({"job_template_id": 1, "extra_vars": None}, "/extra_vars"),
        ({"job_template_id": 1, "inventory_id": None}, "/inventory_id"),
        ({"job_template_id": 1, "job_type": "scan"}, "/job_type"),
        ({"job_template_id": 1, "limit": 5}, "/limit"),
        ({"job_template_id": 1, "execution_environment": "five"}, "/execution_environment"),
        ({"job_template_id": 1, "execution_environment": {"image": "x"}}, "/execution_environment"),
    ],
)
def test_a_wrong_body_is_a_problem_that_names_the_field(
    admin: Api, world: World, body: dict[str, Any], pointer: str
) -> None:
    del world
    assert pointers(admin.post("/jobs", body)) == {pointer}


def test_malformed_json_is_400(admin: Api) -> None:
    answer = admin.post("/jobs", data='{"job_template_id": ', content_type="application/json")
    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"


class TestDeprecatedEnvironment:
    @pytest.mark.parametrize("shape", ["null", "id", "object"])
    def test_every_shape_is_taken_with_a_warning(self, admin: Api, world: World, shape: str) -> None:
        one = world.environment_id
        value = {"null": None, "id": one, "object": {"id": one}}[shape]
        answer = admin.post("/jobs", {"job_template_id": world.template_id, "execution_environment": value})
        assert answer.status_code == 201
        assert answer.headers["Deprecation"].startswith("@")
        assert answer.get_json()["execution_environment_id"] == one

    def test_a_contradiction_is_refused(self, admin: Api, world: World) -> None:
        body = {"job_template_id": world.template_id, "execution_environment_id": 1}
        answer = admin.post("/jobs", body | {"execution_environment": 2})
        assert pointers(answer) == {"/execution_environment"}


def test_the_environment_falls_back_to_the_managed_default(admin: Api, api_deps: Deps, world: World) -> None:
    change_template(api_deps, world, execution_environment_id=None)
    assert launched(admin, world)["execution_environment_id"] not in (None, world.environment_id)


def test_the_environment_is_the_organizations_where_template_and_project_name_none(
    admin: Api, api_deps: Deps, world: World
) -> None:
    change_template(api_deps, world, execution_environment_id=None)
    with api_deps.sessions.begin() as db:
        own = ExecutionEnvironment(
            name="Own", image="registry.example.com/own:1", organization_id=world.organization_id
        )
        db.add(own)
        db.flush()
        db.get_one(Organization, world.organization_id).execution_environment_id = own.id
    assert launched(admin, world)["execution_environment_id"] == own.id
    with api_deps.sessions.begin() as db:
        db.get_one(Project, world.project_id).execution_environment_id = world.environment_id
    assert launched(admin, world)["execution_environment_id"] == world.environment_id


def test_a_template_without_inventory_needs_one(admin: Api, api_deps: Deps, world: World) -> None:
    change_template(api_deps, world, inventory_id=None, ask=["inventory"])
    assert pointers(admin.post("/jobs", {"job_template_id": world.template_id})) == {"/inventory_id"}
    assert launched(admin, world, inventory_id=world.inventory_id)["inventory_id"] == world.inventory_id


class TestCredentials:
    def test_the_override_replaces_the_templates(self, admin: Api, api_deps: Deps, world: World) -> None:
        with api_deps.sessions.begin() as db:
            first = add_credential(db, world, "machine", "one", attach=True)
            second = add_credential(db, world, "machine", "two")
        change_template(api_deps, world, ask=["credentials"])
        assert launched(admin, world)["credential_ids"] == [first]
        assert launched(admin, world, credential_ids=[second])["credential_ids"] == [second]

    def test_two_of_a_type_are_refused(self, admin: Api, api_deps: Deps, world: World) -> None:
        with api_deps.sessions.begin() as db:
            ids = [add_credential(db, world, "machine", name) for name in ("one", "two")]
        change_template(api_deps, world, ask=["credentials"])
        answer = admin.post("/jobs", {"job_template_id": world.template_id, "credential_ids": ids})
        assert pointers(answer) == {"/credential_ids/0"}

    def test_several_vaults_are_taken_with_ids_of_their_own(
        self, admin: Api, api_deps: Deps, world: World
    ) -> None:
        with api_deps.sessions.begin() as db:
            ids = [
                add_credential(db, world, "vault", name, inputs={"vault_id": name})
                for name in ("dev", "prod")
            ]
        change_template(api_deps, world, ask=["credentials"])
        assert launched(admin, world, credential_ids=ids)["credential_ids"] == ids


class TestAccess:
    @pytest.fixture
    def ann(self, api_app: Flask, api_deps: Deps) -> Api:
        return Api(api_app.test_client(), token_for(api_deps, "ann"))

    def test_a_template_that_is_not_visible_does_not_exist(self, ann: Api, world: World) -> None:
        assert pointers(ann.post("/jobs", {"job_template_id": world.template_id})) == {"/job_template_id"}

    def test_reading_a_template_is_not_executing_it(self, ann: Api, api_deps: Deps, world: World) -> None:
        with api_deps.sessions.begin() as db:
            grant(db, "ann", "read", "job_template", world.template_id)
        assert ann.post("/jobs", {"job_template_id": world.template_id}).status_code == 403

    def test_execute_is_enough_for_the_templates_own_resources(
        self, ann: Api, api_deps: Deps, world: World
    ) -> None:
        with api_deps.sessions.begin() as db:
            grant(db, "ann", "execute", "job_template", world.template_id)
        job = launched(ann, world)
        assert job["launched_by"]["username"] == "ann"

    def test_anothers_inventory_does_not_exist(self, ann: Api, api_deps: Deps, world: World) -> None:
        change_template(api_deps, world, ask=["inventory"])
        with api_deps.sessions.begin() as db:
            grant(db, "ann", "execute", "job_template", world.template_id)
            other = make_world(db, "theirs")
        body = {"job_template_id": world.template_id, "inventory_id": other.inventory_id}
        assert pointers(ann.post("/jobs", body)) == {"/inventory_id"}
        with api_deps.sessions.begin() as db:
            grant(db, "ann", "read", "inventory", other.inventory_id)
        assert ann.post("/jobs", body).status_code == 403

    def test_a_read_only_token_launches_nothing(self, api_app: Flask, api_deps: Deps, world: World) -> None:
        reader = Api(api_app.test_client(), token_for(api_deps, "admin", "read"))
        assert reader.post("/jobs", {"job_template_id": world.template_id}).status_code == 403


class TestIdempotency:
    def test_a_repeat_gets_the_first_answer(self, admin: Api, api_deps: Deps, world: World) -> None:
        body, headers = {"job_template_id": world.template_id}, {"Idempotency-Key": "once"}
        first = admin.post("/jobs", body, headers=headers)
        second = admin.post("/jobs", body, headers=headers)
        assert (first.status_code, second.status_code) == (201, 201)
        assert second.headers["Idempotent-Replayed"] == "true"
        assert second.headers["Location"] == first.headers["Location"]
        assert second.get_json() == first.get_json()
        with api_deps.sessions() as db:
            assert db.scalar(select(func.count()).select_from(Job)) == 1


def test_a_launch_is_accepted_quickly_without_the_queue(
    admin: Api, world: World, stack_servers: StackServers
) -> None:
    stack_servers.kill("redis")
    try:
        started = perf_counter()
        launched(admin, world)
        assert perf_counter() - started < 2
    finally:
        stack_servers.restart("redis")


class TestBulk:
    def test_all_are_launched(self, admin: Api, world: World) -> None:
        jobs = [{"job_template_id": world.template_id}] * 25
        answer = admin.post("/bulk/jobs", {"jobs": jobs})
        assert answer.status_code == 201, answer.get_data(as_text=True)
        assert answer.get_json()["total"] == 25
        assert admin.get("/jobs").get_json()["total"] == 25

    def test_one_wrong_launch_stops_all(self, admin: Api, world: World) -> None:
        good = {"job_template_id": world.template_id}
        answer = admin.post("/bulk/jobs", {"jobs": [good, good | {"verbosity": 5}]})
        assert pointers(answer) == {"/jobs/1/verbosity"}
        assert admin.get("/jobs").get_json()["total"] == 0

    def test_more_than_a_thousand_are_refused(self, admin: Api, world: World) -> None:
        jobs = [{"job_template_id": world.template_id}] * 1001
        assert pointers(admin.post("/bulk/jobs", {"jobs": jobs})) == {"/jobs"}


@pytest.mark.parametrize("limit", ["@/etc/passwd", "web01, @hosts", "all:@x"])
def test_a_limit_names_no_file_of_the_executor(admin: Api, api_deps: Deps, world: World, limit: str) -> None:
    change_template(api_deps, world, ask=["limit"])
    assert pointers(admin.post("/jobs", {"job_template_id": world.template_id, "limit": limit})) == {"/limit"}


class TestSurvey:
    QUESTIONS = (
        {"variable": "version", "question": "Which?", "type": "text", "required": True, "min": 3},
        {
            "variable": "env",
            "question": "Where?",
            "type": "choice",
            "choices": ["dev", "prod"],
            "default": "dev",
        },
        {"variable": "pin", "question": "Secret?", "type": "password"},
    )

    @pytest.fixture(autouse=True)
    def _survey(self, api_deps: Deps, world: World) -> None:
        change_template(api_deps, world, survey={"questions": list(self.QUESTIONS)})

    def test_answers_go_between_template_and_request(self, admin: Api, world: World) -> None:
        job = launched(admin, world, extra_vars={"version": "1.2.3"})
        assert job["extra_vars"] == {"some_var": "value", "env": "dev", "version": "1.2.3"}

    def test_only_what_the_template_says_itself_may_be_a_template(
        self, admin: Api, api_deps: Deps, world: World
    ) -> None:
        """The rest is data for Ansible, whatever braces it holds."""
        change_template(api_deps, world, start_at_task="Install*")
        job = launched(admin, world, extra_vars={"version": "{{ lookup('pipe', 'id') }}", "env": "prod"})
        with api_deps.sessions() as db:
            row = db.get_one(Job, job["id"])
        assert (row.untrusted_vars, row.start_at_task) == (["env", "version"], "Install*")

    def test_secret_answers_are_kept_encrypted(self, admin: Api, api_deps: Deps, world: World) -> None:
        job = launched(admin, world, extra_vars={"version": "1.2.3", "pin": "hunter2"})
        assert job["extra_vars"]["pin"] == "$encrypted$"
        with api_deps.sessions() as db:
            row = db.get_one(Job, job["id"])
        assert b"hunter2" not in (row.secret_vars or b"")
        assert api_deps.vault.decrypt(row.secret_vars) == {"pin": "hunter2"}

    @pytest.mark.parametrize(
        ("given", "pointer"),
        [
            ({}, "/extra_vars/version"),
            ({"version": "1"}, "/extra_vars/version"),
            ({"version": 5}, "/extra_vars/version"),
            ({"version": "1.2", "env": "test"}, "/extra_vars/env"),
            ({"version": "1.2", "colour": "red"}, "/extra_vars/colour"),
        ],
    )
    def test_a_wrong_answer_names_its_variable(
        self, admin: Api, world: World, given: dict[str, Any], pointer: str
    ) -> None:
        answer = admin.post("/jobs", {"job_template_id": world.template_id, "extra_vars": given})
        assert pointers(answer) == {pointer}
