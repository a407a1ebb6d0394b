"""A local connection whose other end does not answer, so that a run has an unreachable host anywhere."""

from typing import NoReturn

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = """
name: unplugged
short_description: answers nothing
description:
  - Every attempt to reach the host ends as one to a machine that is switched off.
options: {}
"""


class Connection(LocalConnection):
    transport = "unplugged"

    def _connect(self) -> NoReturn:
        host = self._play_context.remote_addr
        raise AnsibleConnectionFailure(f"{host} does not answer: is it plugged in?")
