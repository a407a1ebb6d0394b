"""The trace that a job belongs to: it goes on from the row, whatever becomes of a message."""

from alembic import op

revision = "0012_traces"
down_revision = "0011_retries"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE jobs ADD COLUMN traceparent text")
