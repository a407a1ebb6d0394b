"""Secrets in the file of extra variables are never templates."""

import yaml
from drover_executor.running.variables import variables_file


class _Loader(yaml.SafeLoader):
    """Reads `!unsafe` as Ansible does, and says so."""


def _unsafe(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> tuple[str, str]:
    return "unsafe", str(loader.construct_scalar(node))


_Loader.add_constructor("!unsafe", _unsafe)


def test_what_is_a_template_and_what_is_not() -> None:
    injected = {"cloud": {"keys": ["{{ lookup('pipe', 'id') }}", 5]}}
    odd = "{% odd\u2028 \U0001f600\n"
    given = {"answer": odd, "plain": "{{ inventory_hostname }}", "count": 3, "none": None}
    read = yaml.load(variables_file(injected, given, ["answer"]), Loader=_Loader)  # noqa: S506 - a safe one
    assert read == {
        "cloud": {"keys": [("unsafe", "{{ lookup('pipe', 'id') }}"), 5]},
        "answer": ("unsafe", odd),
        "plain": "{{ inventory_hostname }}",
        "count": 3,
        "none": None,
    }
