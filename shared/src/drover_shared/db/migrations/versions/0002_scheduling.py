"""Indexes that keep a scheduling decision at one cost, however many jobs wait."""

from drover_shared.db.gently import build_index

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index(
        "ix_jobs_turn",
        "jobs (job_template_id, priority DESC, id)"
        " WHERE status = 'pending' AND NOT allow_simultaneous AND NOT cancel_requested",
    )
    build_index(
        "ix_jobs_free",
        "jobs (priority DESC, id) WHERE status = 'pending' AND NOT cancel_requested"
        " AND (allow_simultaneous OR job_template_id IS NULL)",
    )
    build_index("ix_jobs_at_work", "jobs (job_template_id) WHERE status IN ('queued', 'running')")
    build_index("ix_jobs_cancel", "jobs (id) WHERE cancel_requested AND status IN ('pending', 'queued')")
