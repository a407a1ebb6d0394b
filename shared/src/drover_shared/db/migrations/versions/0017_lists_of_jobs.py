"""Counting jobs by status, or of some templates, without looking at the jobs themselves."""

from alembic import op

revision = "0017_lists"
down_revision = "0016_fact_cache"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """May be run again after it was interrupted, which leaves an index that is not valid."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_kind")
        op.execute("CREATE INDEX CONCURRENTLY ix_jobs_kind ON jobs (kind, status, id DESC)")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_status")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_of_template")
        op.execute(
            "CREATE INDEX CONCURRENTLY ix_jobs_of_template ON jobs (job_template_id, id DESC)"
            " INCLUDE (kind, organization_id)"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_template")
