"""An archive is its maker's for as long as its lease; and where lines begin in it."""

from alembic import op

revision = "0014_archive_leases"
down_revision = "0013_reading"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE log_archives
            ADD COLUMN lease_until timestamptz NOT NULL DEFAULT now(),
            ADD COLUMN part_lines bigint[] NOT NULL DEFAULT '{}',
            ADD COLUMN part_crcs bigint[] NOT NULL DEFAULT '{}';
    """)
