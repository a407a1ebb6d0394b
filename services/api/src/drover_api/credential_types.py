"""The built-in credential types: their fields, and how a run gets them.

`inputs` is {fields: [{id, label, type, secret, …}], required: […]}; `injectors` holds templates with
`{{ field }}` for `env`, `extra_vars` and `file`. `machine`, `vault`, `scm` and `registry` are used by the
executor itself, so they inject nothing.
"""

from typing import Any


def _field(
    name: str, label: str, *, secret: bool = False, multiline: bool = False, **more: Any
) -> dict[str, Any]:
    return {"id": name, "label": label, "type": "string", "secret": secret, "multiline": multiline, **more}


_USERNAME = _field("username", "User name")
_PASSWORD = _field("password", "Password", secret=True)
_ASK = {"ask_at_runtime": True}
_SSH_KEY = [
    _field("ssh_key_data", "SSH private key", secret=True, multiline=True),
    _field("ssh_key_unlock", "Passphrase of the private key", secret=True),
]

BUILT_IN: tuple[dict[str, Any], ...] = (
    {
        "name": "Machine",
        "namespace": "machine",
        "description": "Logs in to hosts, and becomes another user there",
        "inputs": {
            "fields": [
                _USERNAME,
                _PASSWORD | _ASK,
                _SSH_KEY[0],
                _SSH_KEY[1] | _ASK,
                _field("ssh_public_key_data", "Signed SSH certificate", multiline=True),
                _field("become_method", "Privilege escalation method"),
                _field("become_username", "Privilege escalation user"),
                _field("become_password", "Privilege escalation password", secret=True) | _ASK,
            ],
            "required": [],
        },
        "injectors": {},
    },
    {
        "name": "Vault",
        "namespace": "vault",
        "description": "Decrypts Ansible Vault content",
        "inputs": {
            "fields": [
                _field("vault_password", "Vault password", secret=True) | _ASK,
                _field("vault_id", "Vault id"),
            ],
            "required": ["vault_password"],
        },
        "injectors": {},
    },
    {
        "name": "Source control",
        "namespace": "scm",
        "description": "Reads a project's repository",
        "inputs": {"fields": [_USERNAME, _PASSWORD, *_SSH_KEY], "required": []},
        "injectors": {},
    },
    {
        "name": "Container registry",
        "namespace": "registry",
        "description": "Pulls the images of execution environments",
        "inputs": {
            "fields": [
                _field("host", "Registry address"),
                _USERNAME,
                _PASSWORD,
                _field("verify_ssl", "Verify TLS certificates") | {"type": "boolean", "default": True},
            ],
            "required": ["host"],
        },
        "injectors": {},
    },
    {
        "name": "Cloud: Amazon Web Services",
        "namespace": "aws",
        "description": "Access keys for AWS modules and inventory plug-ins",
        "inputs": {
            "fields": [
                _field("username", "Access key"),
                _field("password", "Secret key", secret=True),
                _field("security_token", "STS token", secret=True),
            ],
            "required": ["username", "password"],
        },
        "injectors": {
            "env": {
                "AWS_ACCESS_KEY_ID": "{{ username }}",
                "AWS_SECRET_ACCESS_KEY": "{{ password }}",
                "AWS_SECURITY_TOKEN": "{{ security_token }}",
                "AWS_SESSION_TOKEN": "{{ security_token }}",
            }
        },
    },
    {
        "name": "Cloud: OpenStack",
        "namespace": "openstack",
        "description": "A clouds.yaml for OpenStack modules",
        "inputs": {
            "fields": [_field("clouds_yaml", "clouds.yaml", secret=True, multiline=True)],
            "required": ["clouds_yaml"],
        },
        "injectors": {
            "file": {"template": "{{ clouds_yaml }}"},
            "env": {"OS_CLIENT_CONFIG_FILE": "{{ drover.filename }}"},
        },
    },
)
