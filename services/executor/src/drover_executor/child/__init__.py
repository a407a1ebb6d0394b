"""The process that owns one playbook: it starts Ansible, records its output and never outlives its parent.

It imports little, so that starting it costs little; it has no network and knows no token.
"""
