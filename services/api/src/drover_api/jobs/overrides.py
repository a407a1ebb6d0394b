"""What a launch asks for beyond its template, and whether the template lets it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from drover_shared.db.models import JobTemplate
from drover_shared.domain.errors import FieldError, InvalidError

from drover_api.jobs.prompted import Prompted

# A field of a launch → the template's `ask_<name>_on_launch` that allows to override it.
ASK: Mapping[str, str] = {
    "inventory_id": "inventory",
    "execution_environment_id": "execution_environment",
    "credential_ids": "credentials",
    "extra_vars": "extra_vars",
    "limit": "limit",
    "job_type": "job_type",
    "verbosity": "verbosity",
    "forks": "forks",
    "tags": "tags",
    "skip_tags": "skip_tags",
    "timeout_seconds": "timeout",
    "diff_mode": "diff_mode",
    "become_enabled": "become_enabled",
}
_FILE = re.compile(r"(?:^|[,:])\s*@")
PLAIN = ("limit", "job_type", "verbosity", "forks", "tags", "skip_tags", "timeout_seconds", "diff_mode")


@dataclass(frozen=True, slots=True)
class LaunchCommand:
    """One launch: a template and the overrides that were given, by their names in the API.

    `pointer` is where the launch stands in the request's body, for error messages.
    """

    job_template_id: int
    given: Mapping[str, Any]
    pointer: str = ""
    secrets: Prompted = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, body: Mapping[str, Any], pointer: str = "") -> "LaunchCommand":
        """From a body that `LaunchSchema` has loaded; raises InvalidError where it contradicts itself."""
        given = {key: value for key, value in body.items() if key != "job_template_id"}
        secrets = given.pop("credential_secrets", {})
        deprecated = given.pop("execution_environment", None)
        if deprecated is not None:
            chosen = given.setdefault("execution_environment_id", deprecated)
            if chosen != deprecated:
                detail = "Contradicts execution_environment_id."
                raise InvalidError(FieldError(f"{pointer}/execution_environment", detail))
        return cls(body["job_template_id"], given, pointer, secrets)

    def error(self, name: str, detail: str) -> InvalidError:
        return InvalidError(FieldError(f"{self.pointer}/{name}", detail))


def names_a_file(limit: str | None) -> bool:
    """Whether Ansible would read `limit` from a file on the executor, and tell what it holds."""
    return limit is not None and _FILE.search(limit) is not None


def check_asked(
    command: LaunchCommand, template: JobTemplate, credential_ids: list[int], answerable: set[str]
) -> None:
    """Raise InvalidError naming every override that the template does not ask for.

    A value equal to the template's own overrides nothing. `answerable` are the survey's variables, which
    may be given whatever `ask_extra_vars_on_launch` says.
    """
    errors = list(_unasked(command, template, credential_ids, answerable))
    if errors:
        raise InvalidError(*errors)


def _unasked(
    command: LaunchCommand, template: JobTemplate, credential_ids: list[int], answerable: set[str]
) -> Iterator[FieldError]:
    asked = set(template.ask)
    for name, value in command.given.items():
        if ASK[name] in asked:
            continue
        detail = f"The template does not ask for it (ask_{ASK[name]}_on_launch is off)."
        if name == "extra_vars":
            for key in sorted(value):
                if key not in answerable and not _same(template.extra_vars, key, value[key]):
                    yield FieldError(f"{command.pointer}/extra_vars/{_escaped(key)}", detail)
        elif name == "credential_ids":
            if sorted(value) != sorted(credential_ids):
                yield FieldError(f"{command.pointer}/credential_ids", detail)
        elif value != getattr(template, name):
            yield FieldError(f"{command.pointer}/{name}", detail)


def _same(variables: Mapping[str, Any], key: str, value: Any) -> bool:
    return key in variables and bool(variables[key] == value)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
