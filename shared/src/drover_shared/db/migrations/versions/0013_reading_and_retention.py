"""Finding snapshots that no job needs, and events that changed or failed."""

from alembic import op

revision = "0013_reading"
down_revision = "0012_traces"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE INDEX ix_jobs_snapshot ON jobs (inventory_snapshot_id);
        CREATE INDEX ix_job_events_changed ON job_events (job_run_id, seq) WHERE changed;
        CREATE INDEX ix_job_events_failed ON job_events (job_run_id, seq) WHERE failed;
    """)
