"""Every metric of a stream's consumers; `stream` is the stream's name."""

from prometheus_client import Counter, Gauge, Histogram

ENTRIES = Counter("drover_stream_entries", "Entries committed and acknowledged", ["stream"])
BATCHES = Counter("drover_stream_batches", "Batches committed", ["stream"])
CLAIMED = Counter("drover_stream_claimed", "Entries taken over from a consumer that went away", ["stream"])
RETRIES = Counter("drover_stream_retries", "Attempts that failed and were tried again", ["stream", "step"])
LENGTH = Gauge("drover_stream_length", "Entries in the stream that nobody has finished", ["stream"])
OLDEST_SECONDS = Gauge(
    "drover_stream_oldest_seconds", "Age of the oldest entry that nobody has finished; 0 for none", ["stream"]
)
LAG = Histogram(
    "drover_stream_lag_seconds",
    "From the oldest entry of a batch entering the stream to its commit",
    ["stream"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
BATCH_SECONDS = Histogram(
    "drover_stream_batch_seconds",
    "Time to commit one batch",
    ["stream"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
