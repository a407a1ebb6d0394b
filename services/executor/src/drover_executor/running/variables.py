"""The file of extra variables: what its template does not say itself is data, whatever braces it holds."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml


class _Untouched(str):
    """A text that Ansible must not take for a template: `!unsafe` in its YAML."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    pass


def _unsafe(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("!unsafe", str(value), style='"')


_Dumper.add_representer(_Untouched, _unsafe)


def variables_file(
    injected: Mapping[str, Any], variables: Mapping[str, Any], data_names: Iterable[str]
) -> str:
    """YAML of both, `variables` winning; what credentials inject and the variables named are no templates.

    Without it, whoever may launch a job could run anything on the executor by an answer in braces.
    """
    data = set(data_names)
    given = {name: _untouched(value) if name in data else value for name, value in variables.items()}
    return yaml.dump({**_untouched(injected), **given}, Dumper=_Dumper, sort_keys=False, width=1 << 30)


def _untouched(value: Any) -> Any:
    if isinstance(value, str):
        return _Untouched(value)
    if isinstance(value, Mapping):
        return {key: _untouched(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_untouched(item) for item in value]
    return value
