"""Execution environments: the images playbooks run in."""
