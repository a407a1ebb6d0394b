"""Launches, jobs and their run attempts."""
