"""What stands in the document's examples: the specification's own values, then plausible ones."""

import json
from collections.abc import Mapping
from typing import Any

_RUN = "c0c3bdc8-08c8-49aa-aea3-51f2d036e9f1"
_IMAGE = "registry.example.com/ee:latest"
_PROJECT = {
    "id": 9,
    "scm_type": "git",
    "scm_url": "https://git.example.com/app.git",
    "scm_branch": "main",
    "scm_credential_id": None,
    "scm_submodules": False,
    "scm_clean": True,
    "scm_revision": None,
}

# A property of this name, in whatever schema it is.
BY_NAME: Mapping[str, Any] = {
    "actor": "admin",
    "action": "update",
    "artifacts": {"site_version": "1.4.2"},
    "attempt_number": 1,
    "body": "UExBWSBbYWxsXQo=",
    "byte_length": 1024,
    "changes": {"description": ["", "Hosts for production"]},
    "content": "[web]\nweb01.example.com\nweb02.example.com\n",
    "created_at": "2025-12-01T10:00:00Z",
    "credential_ids": [5, 6],
    "credential_type_id": 1,
    "current_run_id": _RUN,
    "data": {"rc": 0, "changed": True},
    "description": "Hosts for production",
    "email": "admin@example.com",
    "error_detail": None,
    "error_reason": None,
    "execution_environment_id": 5,
    "executor_pool": "default",
    "exit_code": None,
    "expires_at": "2099-12-31T00:00:00Z",
    "extra_vars": {"some_var": "value"},
    "finished_at": None,
    "first_name": "Admin",
    "heartbeat_interval_seconds": 5,
    "facts": {"ansible_distribution": "Debian", "ansible_processor_vcpus": 2},
    "gathered_at": "2025-12-10T09:05:05Z",
    "host": "web01.example.com",
    "hosts_changed": 7,
    "hosts_failed": 1,
    "hosts_ok": 8,
    "hosts_skipped": 0,
    "hosts_total": 10,
    "hosts_unreachable": 1,
    "image": _IMAGE,
    "inventory_id": 42,
    "job_id": 55,
    "job_run_id": _RUN,
    "job_template_id": 17,
    "last_event_at": "2025-12-10T09:05:00Z",
    "last_heartbeat_at": "2025-12-10T09:05:05Z",
    "last_name": "User",
    "lease_expires_at": "2025-12-10T09:05:35Z",
    "lease_seconds": 30,
    "limit": None,
    "log_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "missing": [[3, 7]],
    "missing_log": [],
    "modified_at": "2025-12-08T11:22:00Z",
    "name": "Production",
    "namespace": "ticket_system",
    "organization_id": 1,
    "password": "a password of many words",
    "play_name": "Configure web servers",
    "playbook": "deploy.yml",
    "pools": ["default"],
    "priority": 0,
    "project_id": 9,
    "project_revision": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "queue_position": 1,
    "relaunch_of_id": None,
    "request_id": "5f0c3bdc808c849aa3ea351f",
    "run_token": "drrun_…",
    "scm_branch": "main",
    "scm_url": "https://git.example.com/app.git",
    "started_at": "2025-12-10T09:01:10Z",
    "stdout_snippet": "changed: [web01.example.com]",
    "storage_key": f"jobs/{_RUN}/chunk-0000.log",
    "stream_token": "drstream_…",
    "tags": [],
    "skip_tags": [],
    "start_at_task": None,
    "task_name": "Install nginx",
    "team_id": None,
    "timeout_seconds": 7200,
    "timestamp": "2025-12-10T09:03:11.123Z",
    "token": "drv_…",
    "user_id": 2,
    "username": "admin",
    "variables": {"http_port": 80},
    "verbosity": 3,
    "version": "0.1.0",
}

# Of one schema, over those by name; keys that are not the schema's are left out.
BY_SCHEMA: Mapping[str, Mapping[str, Any]] = {
    "Organization": {"id": 1, "name": "Platform", "description": "Whoever runs production"},
    "Team": {"id": 3, "name": "Web", "description": "Runs the web servers"},
    "Credential": {"id": 5, "name": "SSH Key", "description": "", "inputs": {"username": "deploy"}},
    "CredentialBody": {
        "name": "SSH Key",
        "description": "",
        "inputs": {"username": "deploy", "password": "a password"},
    },
    "CredentialType": {"id": 31, "name": "Ticket system", "description": "Its API token"},
    "InputFields": {
        "fields": [{"id": "token", "label": "Token", "type": "string", "secret": True}],
        "required": ["token"],
    },
    "InputField": {"id": "token", "label": "Token", "type": "string", "secret": True},
    "Injectors": {"env": {"TICKET_TOKEN": "{{ token }}"}, "extra_vars": {}, "file": {}},
    "Project": {"id": 9, "name": "App", "description": "The application's playbooks", "credential_id": None},
    "Inventory": {"id": 42, "name": "Production Inventory"},
    "Host": {"id": 7, "name": "web01.example.com", "description": ""},
    "BulkHost": {"name": "web01.example.com", "description": "", "groups": []},
    "Group": {"id": 4, "name": "web", "description": ""},
    "JobTemplate": {
        "id": 17,
        "name": "Deploy App",
        "description": "Deploy application to servers",
        "execution_environment": {"id": 5, "image": _IMAGE},
        "survey": None,
    },
    "Question": {
        "variable": "version",
        "question": "Which version?",
        "description": "",
        "type": "text",
        "required": True,
        "min": None,
        "max": None,
        "choices": [],
        "default": "1.2.3",
    },
    "Executor": {"id": 1, "name": "executor-1"},
    "ExecutorPool": {"id": 1, "name": "dmz", "description": "Executors that reach the outer network"},
    "RoleAssignment": {"id": 8, "role": "execute", "resource_type": "job_template", "resource_id": 17},
    "Activity": {"id": 1001, "resource_type": "inventory", "resource_id": 42},
    "Token": {"id": 1, "description": "curl", "scope": "write", "last_used_at": None},
    "Job": {
        "id": 55,
        "name": "Deploy App to Prod",
        "status": "running",
        "created_at": "2025-12-10T09:00:00Z",
        "launch_type": "manual",
    },
    "LaunchedBy": {"id": 1, "username": "admin"},
    "PendingReason": {"code": "waiting_for_capacity", "detail": "Every executor of the pool is busy."},
    "Run": {
        "id": _RUN,
        "state": "running",
        "created_at": "2025-12-10T09:00:10Z",
        "last_event_seq": 42,
        "executor_id": 1,
    },
    "Event": {"id": 1001, "seq": 42, "event_type": "TASK_OK"},
    "HostSummary": {"ok": 10, "changed": 2, "failed": 0, "skipped": 0, "unreachable": 0},
    "LogChunk": {"seq": 0, "created_at": "2025-12-10T09:04:00Z"},
    "Launch": {
        "execution_environment": None,
        "extra_vars": {"version": "1.2.3", "env": "prod"},
        "limit": None,
        "job_type": "run",
    },
    "Relaunch": {"hosts": "failed"},
    "ImportResult": {"hosts": 2, "groups": 1, "hosts_total": 2, "groups_total": 1},
    "BulkResult": {"created": 1},
    "Registration": {"name": "executor-1", "slots": 2},
    "Registered": {"id": 1, "token": "drexec_…"},
    "ExecutorBeat": {"running": [_RUN]},
    "Next": {"wait_seconds": 0},
    "Claim": {"executor_id": 1},
    "Manifest": {
        "execution_environment": {"id": 5, "image": _IMAGE},
        "inventory": {"mode": "inline", "content": "[all]\nweb01.example.com\n", "path": None},
        "playbook": {"type": "scm", "project_id": 9, "playbook_path": "deploy.yml"},
        "credentials": [
            {"id": 5, "type": "machine", "name": "SSH Key"},
            {"id": 6, "type": "vault", "name": "Vault Password"},
        ],
        "job_name": "Deploy App to Prod",
        "project": _PROJECT,
        "secret_vars": [],
    },
    "RunCredential": {
        "id": 5,
        "type": "machine",
        "name": "SSH Key",
        "inputs": {"username": "deploy", "password": "a password"},
        "injectors": {"env": {}, "extra_vars": {}, "files": {}},
    },
    "Facts": {"hosts": [{"host": "web01.example.com", "facts": {"ansible_distribution": "Debian"}}]},
    "FactsPage": {
        "items": [{"host": "web01.example.com", "facts": {"ansible_distribution": "Debian"}}],
        "next": None,
    },
    "Started": {"state": "running", "cancel": "none"},
    "Beat": {"last_seq": 42, "last_log_seq": 3},
    "BeatAnswer": {"committed_seq": 42, "committed_log_seq": 3, "missing": []},
    "Events": {
        "token": "drstream_…",
        "events": [
            {
                "seq": 1,
                "timestamp": "2025-12-10T09:01:10Z",
                "event_type": "JOB_STARTED",
                "data": {},
            }
        ],
    },
    "Chunk": {"token": "drstream_…", "seq": 0, "offset": 0},
    "Finish": {"state": "successful", "exit_code": 0, "last_seq": 0, "log_chunks": 0, "log_bytes": 0},
    "Finished": {"complete": True, "missing": []},
}

# The answer of an operation whose schema says no more than "an object".
BY_OPERATION: Mapping[str, Any] = {
    "get_inventory_script": {
        "_meta": {"hostvars": {"web01.example.com": {"http_port": 80}}},
        "all": {"children": ["ungrouped", "web"]},
        "web": {"hosts": ["web01.example.com"]},
    },
}

# A parameter that is not named as its property.
PARAMETERS: Mapping[str, Any] = {
    "If-Match": '"9b2cf535f27731c974343645a3985328"',
    "If-None-Match": '"9b2cf535f27731c974343645a3985328"',
    "Idempotency-Key": "deploy-2025-12-10",
    "Last-Event-ID": "42",
    "Range": "bytes=0-1023",
    "id": 1,
    "limit": 50,
    "name": "prod",
    "order_by": "id",
    "run_id": _RUN,
    "status": ["running", "queued"],
    "user_id": 2,
}

_EVENT = {
    "id": 1001,
    "job_id": 55,
    "job_run_id": _RUN,
    "seq": 42,
    "timestamp": "2025-12-10T09:03:11.123Z",
    "event_type": "TASK_OK",
    "host": "web01.example.com",
    "task_name": "Install nginx",
    "play_name": "Configure web servers",
    "stdout_snippet": "changed: [web01.example.com]",
    "data": {"rc": 0, "changed": True},
}
_END = {"job_run_id": _RUN, "state": "successful", "job_status": "successful", "complete": True}
EVENT_STREAM = f"id: 42\ndata: {json.dumps(_EVENT)}\n\nevent: end\ndata: {json.dumps(_END)}\n\n"
_LOG = "PLAY [all] ****\n\nTASK [Install nginx] ****\nchanged: [web01.example.com]\n"
LOG_FORMATS = {
    "text/plain": _LOG,
    "text/html": f"<!doctype html><pre>{_LOG}</pre>",
    "application/json": {"content": _LOG},
}
LOG_STREAM = (
    f"id: {len(_LOG)}\ndata: {json.dumps({'offset': 0, 'content': _LOG})}\n\n"
    f"event: end\ndata: {json.dumps({'job_run_id': _RUN, 'complete': True})}\n\n"
)
JOB_STREAM = (
    'id: 1f3a\nevent: job\ndata: {"id": 9001, "status": "running"}\n\n'
    f"event: end\ndata: {json.dumps({'job_status': 'successful'})}\n\n"
)
