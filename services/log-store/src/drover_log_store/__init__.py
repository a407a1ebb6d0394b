"""Writes log chunks to S3-compatible storage."""
