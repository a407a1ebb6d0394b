"""The release this package belongs to."""

from importlib.metadata import version

VERSION = version("drover-api")
