"""A project's files for one run: checked out at an exact revision, or copied from an allowed folder."""
