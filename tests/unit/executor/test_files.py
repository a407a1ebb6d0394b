"""What a playbook puts in the place of an event's file is not followed."""

import os
from pathlib import Path

import pytest
from drover_executor.child.files import take_file


def test_a_file_is_taken_once(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"{}")
    assert take_file(tmp_path, "one") == b"{}"
    with pytest.raises(OSError, match="one"):
        take_file(tmp_path, "one")


def test_links_pipes_and_giants_are_refused(tmp_path: Path) -> None:
    folder, secret = tmp_path / "events", tmp_path / "secret"
    folder.mkdir()
    secret.write_bytes(b'{"event": "error"}')
    (folder / "link").symlink_to(secret)
    os.mkfifo(folder / "pipe")
    with (folder / "giant").open("wb") as giant:
        giant.truncate(1 << 40)
    (folder / "folder").mkdir()
    for name in ("link", "pipe", "giant", "folder"):
        with pytest.raises(OSError):  # noqa: PT011 - each has an error of its own, from the system
            take_file(folder, name)
    (tmp_path / "elsewhere").symlink_to(folder)
    with pytest.raises(NotADirectoryError):
        take_file(tmp_path / "elsewhere", "link")
    assert secret.exists()
