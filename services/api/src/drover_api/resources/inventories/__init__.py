"""Inventories with their hosts, groups, variables and snapshots."""
