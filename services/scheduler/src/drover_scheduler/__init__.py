"""Turns jobs into run attempts and watches leases and time-outs."""
