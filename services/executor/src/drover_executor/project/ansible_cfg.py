"""What a project's own `ansible.cfg` says."""

import configparser
import os
from pathlib import Path

from drover_executor.project.paths import small_file


def configured(project: Path, setting: str) -> str:
    """A setting of the section `defaults`; empty where there is none, or the file is not to be read.

    Raises RunFailedError for a file that leads out of the project.
    """
    parser = configparser.ConfigParser(interpolation=None, strict=False, inline_comment_prefixes=(";",))
    try:
        path = small_file(project, "ansible.cfg")
        parser.read([] if path is None else [path], encoding="utf-8")
        return parser.get("defaults", setting, fallback="").strip()
    except (configparser.Error, UnicodeDecodeError):
        return ""


def configured_paths(project: Path, setting: str) -> list[str]:
    """The same as Ansible takes a list of folders: relative ones lie beside `ansible.cfg`."""
    paths = [path.strip() for path in configured(project, setting).split(":") if path.strip()]
    return [os.path.normpath(project / Path(path).expanduser()) for path in paths]
