import json
import socket
import stat
from pathlib import Path

import pytest
from drover_cli.local.errors import LocalError
from drover_cli.local.home import Home


def test_secrets_are_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", 8080)
    made = home.prepare({})
    assert home.prepare({}) == made
    assert stat.S_IMODE((home.folder / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.folder.stat().st_mode) == 0o700
    assert len(made.s3_access_key) >= 16
    assert len(made.s3_secret_key) >= 40
    assert made.admin_password not in repr(made)


def test_a_made_password_is_shown_once(tmp_path: Path) -> None:
    home = Home(tmp_path, 8080)
    made = home.prepare({})
    assert home.password_to_show() == made.admin_password
    assert home.password_to_show() is None


def test_a_given_password_is_used_and_never_shown(tmp_path: Path) -> None:
    home = Home(tmp_path, 8080)
    assert home.prepare({"DROVER_ADMIN_PASSWORD": "mine"}).admin_password == "mine"
    assert home.password_to_show() is None


def test_homes_are_told_apart_by_folder_and_port(tmp_path: Path) -> None:
    home = Home.from_environment({"DROVER_HOME": str(tmp_path), "DROVER_PORT": "9090"})
    assert (home.folder, home.api_port) == (tmp_path, 9090)
    assert Home.from_environment({}).folder.name == ".drover"


@pytest.mark.parametrize("text", ["http", "0", "70000", "-1", "80.5"])
def test_a_port_that_is_none_is_named(text: str) -> None:
    with pytest.raises(LocalError, match="DROVER_PORT must be a port number"):
        Home.from_environment({"DROVER_PORT": text})


def test_ports_are_kept_from_start_to_start(tmp_path: Path, free_port: int) -> None:
    home = Home(tmp_path, free_port)
    ports = home.choose_ports()
    assert ports["api"] == free_port
    assert len(set(ports.values())) == len(ports)
    assert home.choose_ports() == ports


def test_a_taken_api_port_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(LocalError, match="is taken") as caught:
            Home(tmp_path, listener.getsockname()[1]).choose_ports()
    assert "DROVER_PORT=" in caught.value.hint


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"admin_password": "x"})])
def test_damaged_secrets_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "secrets.json").write_text(text)
    with pytest.raises(LocalError, match=r"secrets\.json cannot be read"):
        Home(tmp_path, 8080).secrets()


def test_no_secrets_yet(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="never been started"):
        Home(tmp_path, 8080).secrets()
