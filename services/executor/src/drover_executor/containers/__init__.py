"""Execution environments: a run's playbook in a container of its own, by podman or docker."""
