"""The record of changes, for reading."""
