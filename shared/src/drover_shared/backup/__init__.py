"""A copy of everything that Drover keeps: the database by pg_dump, the objects one by one.

Order is what makes it whole. Objects are copied, then the database is dumped as of one moment, then objects
are copied again: whatever the dump names was there in one of the two passes, as log-store keeps chunks for an
hour after their archive is made. To restore, objects come back first, so that no row names a missing one.
"""
