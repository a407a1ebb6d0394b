"""Every metric of this service, besides those of its stream (`drover_shared.streams.metrics`)."""

from prometheus_client import Counter

ROWS = Counter("drover_ingest_events", "Events stored")
REPEATS = Counter("drover_ingest_repeats", "Events that were stored before and came again")
DEAD_LETTERS = Counter("drover_ingest_dead_letters", "Messages and events that could not be stored", ["why"])
STAGED = Counter("drover_ingest_staged_batches", "Batches that went through the staging table")
SPLITS = Counter("drover_ingest_splits", "Batches split to find an event that cannot be stored")
MASKED = Counter("drover_ingest_masked", "Batches that held a secret their executor should have masked")
