"""Secrets at rest, as this service and event-ingest read them."""

from drover_shared.vault import MASK, Vault

__all__ = ["MASK", "Vault"]
