"""Runs playbooks and reports every event and log byte."""
