"""Every command of the API guide, in its order, by one shell."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.live import LiveStack
from support.projects import make_repository

GUIDE = Path(__file__).parents[2] / "docs" / "api-guide.md"
SITE = """
- hosts: all
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - name: Say it
      debug:
        msg: "{{ word }}"
"""


@pytest.mark.skipif(shutil.which("curl") is None, reason="the guide speaks through curl")
def test_every_command_of_the_guide_works(stack: LiveStack, tmp_path: Path) -> None:
    make_repository(tmp_path / "site", {"site.yml": SITE})
    blocks = re.findall(r"^```bash\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 10
    environment = {
        **stack.environment,
        "DROVER_API_URL": stack.url,
        "PASSWORD": stack.environment["DROVER_ADMIN_PASSWORD"],
        "SCM_URL": str(tmp_path / "site"),
    }
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", "\n".join(blocks)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    for told in ("event: end", "PLAY RECAP", "/colour", "Unknown field", "is in use by job template"):
        assert told in done.stdout, told
