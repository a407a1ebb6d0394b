"""A hundred secrets of every kind, printed in every way at verbosity 5: none is seen anywhere."""

import base64
import json
import random
import string
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from drover_executor.child.tree import descendants
from redis import Redis
from support.executor import ExecutorProcess, files_left, make_project, manifest
from support.fake_api import FakeApi, FakeRun, wait_until

from .conftest import StartExecutor

_PLAIN = string.ascii_letters + string.digits
_ODD = _PLAIN + "!#$%&'()*+,-./:;<=>?@[]^_`{|}~\" \\"
_WIDE = _PLAIN + "äöüßéñ漢字😀"
SITE = """
- hosts: web01
  gather_facts: false
  tasks:
    - name: Print as it is and encoded
      ansible.builtin.debug:
        msg:
          - "{{ secrets }}"
          - "{{ secrets | map('b64encode') }}"
          - "{{ secrets | map('to_json') }}"
          - "{{ secrets | map('to_json') | map('to_json') }}"
          - "{{ secrets | to_nice_yaml }}"
          - "{{ secrets | map('urlencode') }}"
          - "{{ secrets | map('quote') }}"
          - "{{ {'deep': [{'er': secrets}]} | to_nice_json }}"
          - "{{ secrets | map('regex_replace', '^', 'user:') | map('b64encode') }}"
          - "{{ secrets | map('regex_replace', '$', '@host') | map('b64encode') }}"
    - name: As arguments and output of a command
      ansible.builtin.command:
        argv: [echo, "{{ item }}"]
      loop: "{{ secrets[:6] }}"
    - name: In a failure
      ansible.builtin.fail:
        msg: "It was {{ secrets | join(' and ') }}"
      ignore_errors: true
    - name: In the environment and in files
      ansible.builtin.shell: |
        env; cat $DROVER_FILE; echo "$CLOUD_0" >&2; env | base64 -w0; env | od -An -tx1 -v | tr -d ' \\n'
    - name: In a difference
      ansible.builtin.copy:
        content: "{{ secrets | join('\\n') }}"
        dest: "{{ scratch }}/written"
        mode: "0600"
      diff: true
    - name: As facts that are kept
      ansible.builtin.set_fact:
        kept: "{{ secrets }}"
        cacheable: true
    - name: As statistics
      ansible.builtin.set_stats:
        data: {all: "{{ secrets }}"}
    - name: Wait
      ansible.builtin.wait_for:
        path: "{{ scratch }}/gate"
"""


def _secrets(seed: int) -> list[str]:
    """Ninety of one line; their alphabets and lengths differ."""
    dice = random.Random(seed)
    made = []
    for number in range(90):
        letters = (_PLAIN, _ODD, _WIDE)[number % 3]
        size = dice.choice((6, 12, 20, 40, 90))
        middle = "".join(dice.choice(letters) for _ in range(size))
        made.append(f"s{number:02}{middle}e")
    return made


def _key(folder: Path, passphrase: str) -> str:
    path = folder / f"key-{passphrase[:3]}"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", path], check=True)
    return path.read_text()


def _run(folder: Path, secrets: list[str]) -> tuple[FakeRun, list[str]]:
    """The run, and all its secrets: those of one line, and keys and documents of many."""
    site = make_project(folder / "project", {"site.yml": SITE})
    keys = [_key(folder, ""), _key(folder, secrets[3])]
    document = json.dumps({"key": secrets[5], "inner": {"token": secrets[6]}}, indent=2)
    env = {f"CLOUD_{number}": secret for number, secret in enumerate(secrets[10:40])}
    answers = {f"answer_{number}": secret for number, secret in enumerate(secrets[40:70])}
    custom = {
        "env": {**env, "DROVER_FILE": "{{ drover.filename.all }}"},
        "extra_vars": {"secrets": secrets, "cloud_document": document},
        "files": {"template.all": "\n".join(secrets[70:]), "template.document": document},
    }
    fields = {f"field_{number}": secret for number, secret in enumerate(secrets)}
    login = {"username": "deploy", "password": secrets[0], "become_password": secrets[1]}
    credentials: dict[int, dict[str, Any]] = {
        1: {"type": "machine", "inputs": {**login, "ssh_key_data": keys[1], "ssh_key_unlock": secrets[3]}},
        2: {"type": "vault", "inputs": {"vault_password": secrets[4], "vault_id": "one"}},
        3: {"type": "vault", "inputs": {"vault_password": secrets[7], "vault_id": "two"}},
        4: {"type": "cloud", "inputs": {**fields, "document": document}, "injectors": custom},
        5: {"type": "net", "inputs": {"password": secrets[8], "ssh_key_data": keys[0]}},
        6: {"type": "scm", "inputs": {"username": "git", "password": secrets[9]}},
    }
    changes = {
        "credentials": [{"id": number, "type": "", "name": ""} for number in (1, 2, 3, 4, 5)],
        "extra_vars": {**answers, "scratch": str(folder)},
        "secret_vars": sorted(answers),
        "verbosity": 5,
        "use_fact_cache": True,
        "project": {"scm_credential_id": 6},
    }
    lines = [line for key in keys for line in key.splitlines()[1:-1]]
    return FakeRun(manifest(site, **changes), credentials=credentials), [*secrets, document, *lines]


def _forms(secret: str) -> set[str]:
    """What must not be seen: the secret as any part of Ansible might write it, and half of it."""
    raw = secret.encode()
    forms = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    forms |= {json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(json.dumps(secret))[1:-1]}
    forms |= {raw.hex(), base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    forms |= {repr(secret)[1:-1], secret.replace("'", "''"), secret.replace("'", "'\"'\"'")}
    for offset in range(3):  # wherever it stands in what is encoded as a whole
        coded = base64.b64encode(b"\0" * offset + raw + b"\0\0")
        forms.add(coded[4 if offset else 0 : (offset + len(raw)) // 3 * 4].decode())
    return {form for form in forms if len(form) >= 6}


def _places(executor: ExecutorProcess) -> str:
    """Arguments and, of all but Ansible's own processes, environments below the executor."""
    assert executor.process is not None
    seen = []
    for pid in [executor.process.pid, *descendants(executor.process.pid)]:
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
            seen.append(arguments)
            if b"ansible" not in arguments:
                seen.append(Path(f"/proc/{pid}/environ").read_bytes())
        except OSError:
            continue
    return b"\n".join(seen).decode(errors="replace")


def test_none_is_seen(
    api: FakeApi, start_executor: StartExecutor, redis_client: Redis, tmp_path: Path
) -> None:
    run, secrets = _run(tmp_path, _secrets(7))
    assert len(secrets) >= 100
    executor = start_executor()
    executor.launch(run)
    wait_until(lambda: any(event["task_name"] == "Wait" for event in run.of_type("TASK_STARTED")), 120)
    processes = _places(executor)
    assert "ansible-playbook" in processes
    (tmp_path / "gate").touch()
    end = api.wait_end(run)
    assert end["state"] == "successful", run.log.decode()[-3000:]
    wait_until(lambda: list((executor.folder / "runs").iterdir()) == [])
    places = {
        "log": run.log.decode(errors="replace"),
        "events": json.dumps(run.in_order(), ensure_ascii=False),
        "escaped events": json.dumps(run.in_order()),
        "facts": json.dumps(run.kept, ensure_ascii=False),
        "end": json.dumps(end, ensure_ascii=False),
        "executor's log": executor.log,
        "processes": processes,
        "redis": str([redis_client.type(key) for key in redis_client.keys("*")]),
        "files": "\n".join(
            content.decode(errors="replace") for content in files_left(executor.folder).values()
        ),
    }
    seen = [
        (name, secret, form)
        for secret in secrets
        for form in _forms(secret)
        for name, text in places.items()
        if form in text
    ]
    assert seen == []
    assert run.kept["web01"]["kept"] == ["$encrypted$"] * 90
    assert places["log"].count("$encrypted$") > 500
    assert sys.getsizeof(places["log"]) < 50_000_000
