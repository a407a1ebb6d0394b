"""What playbooks write down of themselves, past Drover: when they worked, and what each task came to.

Times are the machine's up-time, which no wrong clock changes.
"""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

HOSTS, STEPS = ("one", "two"), 3
RESULTS = ".results"
HURRY = "hurry"  # a file of this name lets playbooks end without further pauses
SITE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Step
      raw: |
        note() { read up idle < /proc/uptime; echo "$up" >> "{{ diary }}/$DROVER_JOB_RUN_ID"; }
        note; [ -e "{{ diary }}/hurry" ] || sleep {{ pause | default(0.3) }}; note
      loop: "{{ range(steps | default(3) | int) | list }}"
    - name: End
      debug: {msg: "end"}
"""
# Ansible calls it beside ansible-runner's own callback, in the same process.
CALLBACK = """
import os
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "aggregate", "diary"

    def note(self, kind, result):
        path = os.path.join(DIARY, os.environ["DROVER_JOB_RUN_ID"] + ".results")
        with open(path, "a") as file:
            file.write(f"{kind} {result._host.get_name()} {result._task.get_name()}\\n")

    def v2_runner_on_ok(self, result):
        self.note("TASK_OK", result)

    def v2_runner_item_on_ok(self, result):
        self.note("TASK_ITEM_OK", result)
"""


def project(diary: Path) -> dict[str, str]:
    """The files of a project whose playbook writes to `diary`; it takes the folder's name as a variable."""
    return {"site.yml": SITE, "callback_plugins/diary.py": f"DIARY = {str(diary)!r}\n{CALLBACK}"}


def times(diary: Path, run_id: str) -> list[float]:
    """When an attempt's playbook worked, in seconds; empty where it never did."""
    page = diary / run_id
    return [float(line) for line in page.read_text().split()] if page.exists() else []


def results(diary: Path, run_id: str) -> Counter[str]:
    """What the attempt's tasks came to, as the playbook saw it: (type host task) and how often."""
    page = diary / f"{run_id}{RESULTS}"
    return Counter(page.read_text().splitlines()) if page.exists() else Counter()


def told(events: list[dict[str, Any]]) -> Counter[str]:
    """The same, as Drover's events tell it."""
    kinds = ("TASK_OK", "TASK_ITEM_OK")
    return Counter(
        f"{event['event_type']} {event['host']} {event['task_name']}"
        for event in events
        if event["event_type"] in kinds
    )


def judge_overlap(diary: Path, run_ids: list[str]) -> None:
    """All work of one attempt lies before all of the next. Raises AssertionError."""
    pages = [page for page in (times(diary, run_id) for run_id in run_ids) if page]
    for earlier, later in pairwise(pages):
        assert max(earlier) <= min(later), (
            f"attempts overlapped by {max(earlier) - min(later):.2f} s: {run_ids}"
        )
