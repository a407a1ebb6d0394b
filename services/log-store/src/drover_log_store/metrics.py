"""Every metric of this service, besides those of its stream (`drover_shared.streams.metrics`)."""

from prometheus_client import Counter, Histogram

CHUNKS = Counter("drover_log_chunks", "Log chunks stored")
BYTES = Counter("drover_log_bytes", "Log bytes stored")
REPEATS = Counter("drover_log_repeats", "Chunks that were stored before and came again")
DEAD_LETTERS = Counter("drover_log_dead_letters", "Messages that could not be stored", ["why"])
PUT_SECONDS = Histogram("drover_log_put_seconds", "Time to put one batch's objects")
ARCHIVES = Counter("drover_log_archives", "Finished logs put into one object, and damaged ones", ["result"])
EXPIRED = Counter("drover_log_expired", "Logs removed because their time was over")
