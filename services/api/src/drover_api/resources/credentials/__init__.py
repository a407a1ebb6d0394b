"""Credentials: secrets are written, never read back."""
