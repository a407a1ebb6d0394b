"""Indexes that keep a scheduling decision at one cost, however many jobs wait."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE INDEX ix_jobs_turn ON jobs (job_template_id, priority DESC, id)
        WHERE status = 'pending' AND NOT allow_simultaneous AND NOT cancel_requested
    """)
    op.execute("""
        CREATE INDEX ix_jobs_free ON jobs (priority DESC, id)
        WHERE status = 'pending' AND NOT cancel_requested AND (allow_simultaneous OR job_template_id IS NULL)
    """)
    op.execute("""
        CREATE INDEX ix_jobs_at_work ON jobs (job_template_id) WHERE status IN ('queued', 'running')
    """)
    op.execute("""
        CREATE INDEX ix_jobs_cancel ON jobs (id)
        WHERE cancel_requested AND status IN ('pending', 'queued')
    """)
