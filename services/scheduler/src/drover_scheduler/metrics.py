"""Every metric of this service."""

from prometheus_client import Counter, Gauge, Histogram

ATTEMPTS = Counter("drover_scheduler_attempts", "Run attempts made", ["found_by"])
RINGS = Counter("drover_scheduler_rings", "Runs that waited too long and were rung again")
LOST = Counter("drover_scheduler_lost_runs", "Runs whose lease expired")
TIMEOUTS = Counter("drover_scheduler_timeouts", "Runs and jobs that ran out of time")
CANCELED = Counter("drover_scheduler_canceled", "Jobs canceled before an executor had them")
EXPIRED = Counter("drover_scheduler_expired_jobs", "Jobs removed because their time was over")
FAILURES = Counter("drover_scheduler_failures", "Steps that failed and will be tried again", ["step"])
DECISION_SECONDS = Histogram(
    "drover_scheduler_decision_seconds",
    "Time to fill the pool of one announced job",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)
TICK_SECONDS = Histogram(
    "drover_scheduler_tick_seconds",
    "Time of one tick",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)

# What every scheduler measures of the whole system: any one's value holds.
JOBS = Gauge("drover_jobs", "Jobs that are not over", ["status"])
OLDEST_JOB_SECONDS = Gauge("drover_jobs_oldest_seconds", "Age of the oldest job that is not over", ["status"])
RUNS = Gauge("drover_runs", "Run attempts that are not over", ["state"])
HEARTBEAT_SECONDS = Gauge(
    "drover_runs_oldest_heartbeat_seconds",
    "Age of the oldest heartbeat among running attempts; 0 for none",
)
QUEUE_LENGTH = Gauge("drover_queue_length", "Messages that wait in a queue", ["queue"])
LETTERS = Gauge("drover_dead_letters", "Dead letters that nobody has dealt with; counting ends at 10,000")
EXECUTORS = Gauge("drover_executors", "Executors by whether they were heard of in the last minute", ["alive"])
