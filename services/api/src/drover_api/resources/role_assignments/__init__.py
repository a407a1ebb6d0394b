"""Roles on resources, for users and teams."""
