"""Inventories from text: INI and YAML are parsed as Ansible does, then stored in a few statements."""
