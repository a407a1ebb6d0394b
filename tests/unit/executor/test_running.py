"""Paths, leases, outcomes, credentials: the rules without a process."""

import os
from pathlib import Path
from uuid import UUID

import pytest
from drover_executor.child.spec import ChildResult
from drover_executor.failures import AbandonedError, CanceledError, RunFailedError
from drover_executor.lease_clock import Deadline, lease_clock
from drover_executor.project.address import judged
from drover_executor.project.paths import inside, under_any
from drover_executor.running.control import Control
from drover_executor.running.credentials import inject
from drover_executor.running.environment import playbook_environment
from drover_executor.running.lease import Lease, dead_at
from drover_executor.running.outcome import outcome_of
from drover_executor.running.workspace import Workspace

RUN_ID = UUID("0190b3f0-0000-7000-8000-000000000001")


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    made = Workspace(RUN_ID, tmp_path / "run", tmp_path / "sockets")
    made.private.mkdir(parents=True)
    return made


def test_paths_stay_inside(tmp_path: Path) -> None:
    root = tmp_path / "project"
    (root / "sub").mkdir(parents=True)
    (root / "site.yml").touch()
    (root / "up").symlink_to("..")
    (root / "loop").symlink_to("loop")
    (root / "fine").symlink_to("site.yml")
    assert inside(root, "sub/../site.yml") == root / "site.yml"
    assert inside(root, "fine") == root / "site.yml"
    for path in ("", "..", "../x", "/etc/passwd", "up/x", "loop/x", "a\0b"):
        found = inside(root, path)
        assert found is None or not found.exists(), path
    assert under_any((tmp_path,), str(root / "sub")) == root / "sub"
    assert under_any((root,), str(root / "up")) is None
    assert under_any((root,), "relative") is None
    assert under_any((), str(root)) is None


def test_addresses() -> None:
    roots = (Path("/srv"),)
    assert judged("https://u:p@example.com/a.git", roots).shown == "https://example.com/a.git"
    assert judged("https://example.com:8443/a.git", roots).port == 8443
    assert judged("git@example.com:team/a.git", roots).host == "example.com"
    assert judged("ssh://git@example.com/a.git", roots).port == 22
    assert judged("/srv/a", roots).url == "file:///srv/a"
    for url in (
        "/etc/a",
        "file:///srv/../etc",
        "ext::id",
        "ftp://x/y",
        "-x",
        "https://",
        "a\nb",
        "http://x:y/",
    ):
        with pytest.raises(RunFailedError):
            judged(url, roots)


def test_a_lease_counts_from_before_the_request(tmp_path: Path) -> None:
    now = 100.0
    deadline = Deadline(tmp_path, create=True)
    lease = Lease(30, dead_at(30, 100.0), deadline, lambda: now)
    assert lease.left == pytest.approx(25.5)
    now = 120.0
    assert lease.renew(110.0)
    assert lease.left == pytest.approx(15.5)
    assert lease.renew(105.0)  # an older answer that came late shortens nothing
    assert lease.left == pytest.approx(15.5)
    assert deadline.at == pytest.approx(135.5)


def test_a_lease_that_is_over_stays_over(tmp_path: Path) -> None:
    """Its work is dead: an answer that comes afterwards must not claim otherwise."""
    now = 100.0
    deadline = Deadline(tmp_path, create=True)
    lease = Lease(30, dead_at(30, 100.0), deadline, lambda: now)
    now = 126.0
    assert not lease.renew(120.0)
    assert lease.left < 0
    assert deadline.at == pytest.approx(125.5)


def test_a_lease_is_found_where_another_process_left_it(tmp_path: Path) -> None:
    deadline = Deadline(tmp_path, create=True)
    deadline.move(lease_clock() + 7)
    assert Deadline(tmp_path).left == pytest.approx(7, abs=1)
    assert Lease.found(30, Deadline(tmp_path)).left == pytest.approx(7, abs=1)
    deadline.move(lease_clock() + 1e6)  # by the clock of an earlier boot
    assert Lease.found(30, Deadline(tmp_path)).left == pytest.approx(25.5, abs=1)


def test_control() -> None:
    control = Control()
    control.check()
    control.ask_cancel("graceful")
    with pytest.raises(CanceledError):
        control.check()
    control.abandon("first")
    control.abandon("second")
    with pytest.raises(AbandonedError, match="first"):
        control.check()
    assert control.changed.is_set()
    control.quiet()
    assert not control.changed.is_set()
    control.close()
    control.ring()


@pytest.mark.parametrize(
    ("result", "cancel", "expected"),
    [
        (ChildResult(0, True, "", ""), False, ("successful", None)),
        (ChildResult(0, True, "c", ""), True, ("successful", None)),
        (ChildResult(2, True, "", ""), False, ("failed", "playbook_failed")),
        (ChildResult(4, True, "", ""), False, ("failed", "playbook_failed")),
        (ChildResult(4, False, "", "broken"), False, ("failed", "playbook_syntax_error")),
        (ChildResult(1, False, "", "no hosts: --limit"), False, ("failed", "inventory_invalid")),
        (ChildResult(99, True, "c", ""), True, ("canceled", "canceled")),
        (ChildResult(99, True, "c", ""), False, ("canceled", "canceled")),
        (ChildResult(-9, True, "k", ""), False, ("failed", "executor_lost")),
        (ChildResult(-9, True, "k", ""), True, ("canceled", "canceled")),
        (ChildResult(99, True, "t", ""), False, ("failed", "timeout")),
        (ChildResult(-9, False, "", ""), False, ("failed", "executor_error")),
        (ChildResult(127, False, "", ""), False, ("failed", "executor_error")),
        (ChildResult(1, False, "", "", "bad passphrase"), False, ("failed", "credential_error")),
        (None, False, ("failed", "executor_error")),
    ],
)
def test_outcomes(result: ChildResult | None, cancel: bool, expected: tuple[str, str | None]) -> None:
    outcome = outcome_of(result, cancel, 5)
    assert (outcome.state, outcome.error_reason) == expected


def test_credentials_become_private_files(space: Workspace) -> None:
    machine = {
        "username": "deploy",
        "password": "the-password",
        "ssh_key_data": "KEY\r\nDATA",
        "become_method": "sudo",
        "become_password": "the-other",
    }
    cloud = {
        "env": {"TOKEN_FILE": "{{ drover.filename.token }}", "TOKEN": "cloud-token", "PATH": "/evil"},
        "extra_vars": {"conf": ["{{ drover.filename }}"]},
        "files": {"template": "main", "template.token": "cloud-token"},
    }
    injected = inject(
        space,
        [
            {"id": 1, "type": "machine", "inputs": machine},
            {"id": 2, "type": "vault", "inputs": {"vault_password": "vault-pw", "vault_id": "prod"}},
            {"id": 3, "type": "aws", "inputs": {"password": "cloud-token"}, "injectors": cloud},
        ],
    )
    told = " ".join(injected.options)
    for secret in ("the-password", "the-other", "vault-pw", "KEY"):
        assert secret not in told
    assert "--user=deploy" in injected.options
    assert "--vault-id=prod@" in told
    assert set(injected.secrets) == {"the-password", "KEY\r\nDATA", "the-other", "vault-pw", "cloud-token"}
    for path in space.private.rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o777 == 0o600
    assert Path(injected.env["TOKEN_FILE"]).read_text() == "cloud-token"
    assert Path(injected.extra_vars["conf"][0]).read_text() == "main"
    assert (space.private / "credentials/1.key").read_text() == "KEY\nDATA\n"
    env = playbook_environment(space, injected.env)
    assert env["PATH"] != "/evil"
    assert env["TOKEN"] == "cloud-token"


def test_a_vault_without_a_password_is_refused(space: Workspace) -> None:
    with pytest.raises(RunFailedError):
        inject(space, [{"id": 2, "type": "vault", "inputs": {}}])


def test_the_executors_own_settings_are_not_passed_on(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROVER_REGISTRATION_TOKEN", "secret")
    monkeypatch.setenv("DROVER_REDIS_URL", "redis://:secret@host")
    env = playbook_environment(space, {})
    assert not [value for value in env.values() if "secret" in value]
    assert env["LC_ALL"] == "C.UTF-8"
    assert os.pathsep in env["PATH"]
