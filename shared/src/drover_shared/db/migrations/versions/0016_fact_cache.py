"""Facts that jobs gathered, for later jobs of the same inventory."""

from alembic import op

revision = "0016_fact_cache"
down_revision = "0015g"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("job_templates", "jobs"):
        op.execute(f"""
            ALTER TABLE {table}
                ADD COLUMN use_fact_cache boolean NOT NULL DEFAULT false,
                ADD COLUMN fact_cache_timeout_seconds integer NOT NULL DEFAULT 0;
        """)
    op.execute("""
        CREATE TABLE host_facts (
            inventory_id bigint NOT NULL,
            host text NOT NULL,
            facts jsonb NOT NULL,
            bytes integer NOT NULL,
            job_id bigint NOT NULL,
            gathered_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_host_facts PRIMARY KEY (inventory_id, host),
            CONSTRAINT fk_host_facts_inventory_id FOREIGN KEY (inventory_id)
                REFERENCES inventories (id) ON DELETE CASCADE
        );
        CREATE FUNCTION forget_facts() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            DELETE FROM host_facts USING gone
            WHERE host_facts.inventory_id = gone.inventory_id AND host_facts.host = gone.name;
            RETURN NULL;
        END $$;
        CREATE TRIGGER hosts_gone AFTER DELETE ON hosts REFERENCING OLD TABLE AS gone
            FOR EACH STATEMENT EXECUTE FUNCTION forget_facts();
        CREATE FUNCTION forget_renamed_facts() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            DELETE FROM host_facts USING gone JOIN kept USING (id)
            WHERE gone.name <> kept.name
              AND host_facts.inventory_id = gone.inventory_id AND host_facts.host = gone.name;
            RETURN NULL;
        END $$;
        CREATE TRIGGER hosts_renamed AFTER UPDATE ON hosts REFERENCING OLD TABLE AS gone NEW TABLE AS kept
            FOR EACH STATEMENT EXECUTE FUNCTION forget_renamed_facts();
    """)
