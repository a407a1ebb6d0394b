"""Bounds of the fact cache, for who collects facts, who sends them and who keeps them."""

MAX_HOST_BYTES = 1024 * 1024  # one host's facts as JSON
MAX_BATCH_BYTES = 2 * 1024 * 1024  # one request or answer, but for a single host's
MAX_RUN_BYTES = 256 * 1024 * 1024  # what one run may hand in
MAX_HOSTS = 50_000  # of an inventory whose hosts are not held by the API
MAX_NAME_BYTES = 250  # a host's name is a file's name for Ansible, with up to five bytes before it


def can_be_cached(host: str) -> bool:
    """Whether Ansible could keep facts of `host` in a file: its name is the file's."""
    return bool(host) and host[0] != "." and "/" not in host and len(host.encode()) <= MAX_NAME_BYTES
