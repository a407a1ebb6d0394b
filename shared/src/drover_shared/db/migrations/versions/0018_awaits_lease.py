"""An attempt that follows one whose processes may still live waits until that one's lease is really over."""

from alembic import op
from drover_shared.db.gently import build_index

revision = "0018_awaits_lease"
down_revision = "0017_lists"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE job_runs ADD COLUMN IF NOT EXISTS awaits_lease boolean NOT NULL DEFAULT false")
    build_index("ix_job_runs_awaits_lease", "job_runs (job_id) WHERE state = 'pending' AND awaits_lease")
