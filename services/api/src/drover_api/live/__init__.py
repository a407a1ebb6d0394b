"""Readers that stay: event loop, sockets, and what they wait for. No request thread waits with them."""
