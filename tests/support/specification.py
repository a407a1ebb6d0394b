"""The JSON examples of the API specification, sections 2 and 7, to the letter."""

from typing import Any

USER = {
    "id": 1,
    "username": "admin",
    "email": "admin@example.com",
    "first_name": "Admin",
    "last_name": "User",
    "is_superuser": True,
    "is_system_auditor": False,
}
INVENTORY = {
    "id": 42,
    "name": "Production Inventory",
    "description": "Hosts for production",
    "organization_id": 1,
    "kind": "inventory",
}
TEMPLATE: dict[str, Any] = {
    "id": 17,
    "name": "Deploy App",
    "description": "Deploy application to servers",
    "inventory_id": 42,
    "project_id": 9,
    "playbook": "deploy.yml",
    "execution_environment": {"id": 5, "image": "registry.example.com/ee:latest"},
    "credential_ids": [5, 6],
    "extra_vars": {"some_var": "value"},
}
ENVIRONMENT = {
    "id": 5,
    "name": "Default EE",
    "description": "Default execution environment",
    "organization_id": 1,
    "image": "quay.io/ansible/awx-ee:latest",
    "credential_id": 10,
    "pull": "missing",
    "managed": True,
    "created_at": "2025-12-01T10:00:00Z",
    "modified_at": "2025-12-08T11:22:00Z",
}

RUN_ID = "c0c3bdc8-08c8-49aa-aea3-51f2d036e9f1"

JOB: dict[str, Any] = {
    "id": 55,
    "name": "Deploy App to Prod",
    "job_template_id": 17,
    "status": "running",
    "created_at": "2025-12-10T09:00:00Z",
    "started_at": "2025-12-10T09:01:10Z",
    "finished_at": None,
    "timeout_seconds": 7200,
    "cancel_requested": False,
    "inventory_id": 42,
    "project_id": 9,
    "execution_environment_id": 5,
    "summary": {
        "hosts_total": 10,
        "hosts_ok": 8,
        "hosts_failed": 1,
        "hosts_unreachable": 1,
        "hosts_skipped": 0,
        "hosts_changed": 7,
    },
    "current_run_id": RUN_ID,
}
RUN: dict[str, Any] = {
    "id": RUN_ID,
    "job_id": 55,
    "attempt_number": 1,
    "state": "running",
    "created_at": "2025-12-10T09:00:10Z",
    "started_at": "2025-12-10T09:01:10Z",
    "finished_at": None,
    "last_heartbeat_at": "2025-12-10T09:05:05Z",
    "last_event_seq": 42,
    "exit_code": None,
    "error_reason": None,
}
EVENT = {
    "id": 1001,
    "job_id": 55,
    "job_run_id": RUN_ID,
    "seq": 42,
    "timestamp": "2025-12-10T09:03:11.123Z",
    "event_type": "TASK_OK",
    "host": "web01.example.com",
    "task_name": "Install nginx",
    "play_name": "Configure web servers",
    "stdout_snippet": "changed: [web01.example.com]",
    "data": {"rc": 0, "changed": True},
}
HOST_SUMMARY = {
    "job_id": 55,
    "host": "web01.example.com",
    "ok": 10,
    "changed": 2,
    "failed": 0,
    "skipped": 0,
    "unreachable": 0,
    "last_event_at": "2025-12-10T09:05:00Z",
}
LOG_CHUNK = {
    "job_run_id": RUN_ID,
    "seq": 0,
    "storage_key": f"jobs/{RUN_ID}/chunk-0000.log",
    "byte_length": 1024,
    "created_at": "2025-12-10T09:04:00Z",
}
MANIFEST: dict[str, Any] = {
    "job_run_id": RUN_ID,
    "job_id": 55,
    "attempt_number": 1,
    "execution_environment": {"id": 5, "image": "registry.example.com/ee:latest"},
    "inventory": {"mode": "inline", "content": "[all]\nweb01.example.com\n", "path": None},
    "playbook": {"type": "scm", "project_id": 9, "playbook_path": "deploy.yml"},
    "extra_vars": {"some_var": "value"},
    "credentials": [
        {"id": 5, "type": "machine", "name": "SSH Key"},
        {"id": 6, "type": "vault", "name": "Vault Password"},
    ],
    "timeout_seconds": 7200,
    "limit": None,
    "verbosity": 3,
}
