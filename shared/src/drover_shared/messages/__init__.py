"""What travels on queues and streams: every message has a type, a version and an id.

Golden files of each released version stand in tests/contract/messages; they never change.
"""
