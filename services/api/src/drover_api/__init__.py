"""Drover's REST API."""
