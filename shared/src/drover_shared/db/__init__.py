"""PostgreSQL: the tables, the guarded transitions, the partitions and the migrations."""
