"""Reading Redis Streams as a consumer group: nothing is acknowledged before it is committed."""
