"""Finished logs as one compressed object each."""

from alembic import op
from drover_shared.db.gently import build_index

revision = "0004c"
down_revision = "0003b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE IF NOT EXISTS log_archives (
            job_run_id uuid NOT NULL,
            storage_key text NOT NULL,
            started_at timestamptz NOT NULL DEFAULT now(),
            ready_at timestamptz,
            chunks_removed_at timestamptz,
            member_bytes bigint NOT NULL DEFAULT 0,
            member_ends bigint[] NOT NULL DEFAULT '{}',
            CONSTRAINT pk_log_archives PRIMARY KEY (job_run_id)
        );
        CREATE INDEX IF NOT EXISTS ix_log_archives_chunks ON log_archives (ready_at)
            WHERE ready_at IS NOT NULL AND chunks_removed_at IS NULL;
        ALTER TABLE run_log_progress ADD COLUMN IF NOT EXISTS settled boolean NOT NULL DEFAULT false;
    """)
    build_index("ix_run_log_progress_open", "run_log_progress (job_run_id) WHERE NOT settled")
