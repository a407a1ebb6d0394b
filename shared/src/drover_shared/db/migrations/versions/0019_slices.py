"""Slices of one job: how many there are, which one a job is, and of which job."""

from alembic import op

revision = "0019_slices"
down_revision = "0018_awaits_lease"
branch_labels = None
depends_on = None

_WAITS = "status = 'pending' AND NOT cancel_requested AND waits_for_job_id IS NULL"


def upgrade() -> None:
    """May be run again after it was interrupted, which leaves an index that is not valid."""
    op.execute("""
        ALTER TABLE jobs
            ADD COLUMN IF NOT EXISTS slice_count integer NOT NULL DEFAULT 1,
            ADD COLUMN IF NOT EXISTS slice_number integer,
            ADD COLUMN IF NOT EXISTS sliced_job_id bigint
                CONSTRAINT fk_jobs_sliced_job_id REFERENCES jobs (id) ON DELETE CASCADE;
    """)
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS uq_jobs_slices")
        op.execute(
            "CREATE UNIQUE INDEX CONCURRENTLY uq_jobs_slices ON jobs (sliced_job_id, slice_number)"
            " WHERE sliced_job_id IS NOT NULL"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_split")
        op.execute(
            "CREATE INDEX CONCURRENTLY ix_jobs_split ON jobs (id)"
            " WHERE slice_count > 1 AND slice_number IS NULL AND status IN ('queued', 'running')"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_lanes")
        op.execute(
            "CREATE INDEX CONCURRENTLY ix_jobs_lanes ON jobs (executor_pool, organization_id,"
            " coalesce(job_template_id, 0), (sliced_job_id IS NOT NULL),"
            f" allow_simultaneous, inventory_id, priority DESC, id) WHERE {_WAITS}"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_line")
