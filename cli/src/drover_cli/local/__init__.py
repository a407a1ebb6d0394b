"""The embedded stack: real servers and services as processes under one folder."""
