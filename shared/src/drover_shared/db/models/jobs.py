"""Jobs and their run attempts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from drover_shared.db.models.base import Base, BigInts, IntPk, JsonObject, Texts


class Job(Base):
    """Specification 2.5, with everything a launch resolved: what it came from may change or go.

    Ids of other resources are plain numbers, not references, for the same reason.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_pending", text("priority DESC"), "id", postgresql_where=text("status = 'pending'")),
        # The scheduler's lanes: it looks at the head of each, however long they are.
        Index(
            "ix_jobs_lanes",
            "executor_pool",
            "organization_id",
            text("coalesce(job_template_id, 0)"),
            text("(sliced_job_id IS NOT NULL)"),
            "allow_simultaneous",
            "inventory_id",
            text("priority DESC"),
            "id",
            postgresql_where=text("status = 'pending' AND NOT cancel_requested AND waits_for_job_id IS NULL"),
        ),
        # One sync of a project for all who wait for it, as long as it has not begun to look.
        Index(
            "uq_jobs_waiting_sync",
            "project_id",
            text("md5(project::text)"),
            unique=True,
            postgresql_where=text(
                "kind = 'project_sync' AND status IN ('pending', 'queued') AND started_at IS NULL"
                " AND NOT cancel_requested"
            ),
        ),
        Index("ix_jobs_syncs", "project_id", text("id DESC"), postgresql_where=text("kind = 'project_sync'")),
        Index(
            "ix_jobs_waits_for",
            "waits_for_job_id",
            postgresql_where=text("waits_for_job_id IS NOT NULL"),
        ),
        # Each slice of a job once, and where to find them.
        Index(
            "uq_jobs_slices",
            "sliced_job_id",
            "slice_number",
            unique=True,
            postgresql_where=text("sliced_job_id IS NOT NULL"),
        ),
        Index(
            "ix_jobs_split",
            "id",
            postgresql_where=text(
                "slice_count > 1 AND slice_number IS NULL AND status IN ('queued', 'running')"
            ),
        ),
        CheckConstraint("kind IN ('playbook', 'project_sync')", name="kind"),
        CheckConstraint("kind <> 'playbook' OR inventory_snapshot_id IS NOT NULL", name="snapshot"),
        Index("ix_jobs_at_work", "job_template_id", postgresql_where=text("status IN ('queued', 'running')")),
        Index(
            "ix_jobs_at_work_inventory",
            "inventory_id",
            postgresql_where=text("status IN ('queued', 'running')"),
        ),
        Index(
            "ix_jobs_at_work_pool",
            "executor_pool",
            "organization_id",
            postgresql_where=text("status IN ('queued', 'running')"),
        ),
        Index(
            "ix_jobs_waiting_limit",
            "created_at",
            postgresql_where=text("status IN ('pending', 'queued') AND waiting_timeout_seconds > 0"),
        ),
        Index(
            "ix_jobs_cancel",
            "id",
            postgresql_where=text("cancel_requested AND status IN ('pending', 'queued')"),
        ),
        Index("ix_jobs_live", "status", postgresql_where=text("status IN ('pending', 'queued', 'running')")),
        Index("ix_jobs_kind", "kind", "status", text("id DESC")),
        Index("ix_jobs_project", "project_id", text("id DESC")),
        Index("ix_jobs_created_at", "created_at", postgresql_using="brin"),
        Index("ix_jobs_finished_at", "finished_at", postgresql_using="brin"),
        Index("ix_jobs_snapshot", "inventory_snapshot_id"),
        Index(
            "ix_jobs_of_template",
            "job_template_id",
            text("id DESC"),
            postgresql_include=["kind", "organization_id"],
        ),
        Index("ix_jobs_organization", "organization_id", text("id DESC")),
        Index("ix_jobs_inventory", "inventory_id", text("id DESC")),
        Index("ix_jobs_launched_by", "launched_by_id", text("id DESC")),
    )
    id: Mapped[IntPk]
    name: Mapped[str]
    organization_id: Mapped[int]
    job_template_id: Mapped[int | None]
    kind: Mapped[str] = mapped_column(server_default="playbook")
    status: Mapped[str] = mapped_column(server_default="pending")
    waits_for_job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))  # a sync
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    timeout_seconds: Mapped[int] = mapped_column(Integer, server_default="0")
    waiting_timeout_seconds: Mapped[int] = mapped_column(Integer, server_default="0")
    start_timeout_seconds: Mapped[int] = mapped_column(Integer, server_default="3600")
    cancel_requested: Mapped[bool] = mapped_column(server_default=false())
    cancel_requested_at: Mapped[datetime | None]
    inventory_id: Mapped[int]  # 0: none, as of a sync
    project_id: Mapped[int]
    execution_environment_id: Mapped[int | None]
    current_run_id: Mapped[UUID | None]
    error_reason: Mapped[str | None]
    error_detail: Mapped[str | None]
    launched_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    launch_type: Mapped[str] = mapped_column(server_default="manual")
    relaunch_of_id: Mapped[int | None]
    # What was resolved at launch, frozen:
    inventory_snapshot_id: Mapped[int | None] = mapped_column(ForeignKey("inventory_snapshots.id"))
    project: Mapped[Any] = mapped_column(JSONB)  # scm_type, scm_url, scm_branch, credential id, …
    environment: Mapped[Any | None] = mapped_column(JSONB)  # id, image, pull, credential_id
    inventory_project: Mapped[Any | None] = mapped_column(JSONB)  # as `project`; None: not another one
    playbook: Mapped[str]
    credential_ids: Mapped[BigInts]
    credential_snapshot_ids: Mapped[BigInts]  # of these and of whatever else its runs may read
    extra_vars: Mapped[JsonObject]
    untrusted_vars: Mapped[Texts]  # of `extra_vars`: not the template's own, so never templates for Ansible
    secret_vars: Mapped[bytes | None] = mapped_column(LargeBinary)  # encrypted survey answers
    credential_secrets: Mapped[bytes | None] = mapped_column(LargeBinary)  # encrypted; given at launch
    job_type: Mapped[str] = mapped_column(server_default="run")
    forks: Mapped[int] = mapped_column(Integer, server_default="5")
    limit: Mapped[str | None]
    tags: Mapped[Texts]
    skip_tags: Mapped[Texts]
    start_at_task: Mapped[str | None]
    verbosity: Mapped[int] = mapped_column(Integer, server_default="0")
    diff_mode: Mapped[bool] = mapped_column(server_default=false())
    become_enabled: Mapped[bool] = mapped_column(server_default=false())
    use_fact_cache: Mapped[bool] = mapped_column(server_default=false())
    fact_cache_timeout_seconds: Mapped[int] = mapped_column(Integer, server_default="0")
    allow_simultaneous: Mapped[bool] = mapped_column(server_default=false())
    max_attempts: Mapped[int] = mapped_column(Integer, server_default="3")
    retry_on: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{lost}")
    retry_hosts: Mapped[str] = mapped_column(server_default="all")
    retry_wait_seconds: Mapped[int] = mapped_column(Integer, server_default="10")
    executor_pool: Mapped[str] = mapped_column(server_default="default")
    priority: Mapped[int] = mapped_column(Integer, server_default="0")
    # A job with several slices has no run of its own: it is split into as many jobs, which have a number.
    slice_count: Mapped[int] = mapped_column(Integer, server_default="1")
    slice_number: Mapped[int | None] = mapped_column(Integer)  # from 1; None: all of the hosts
    sliced_job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    artifacts: Mapped[JsonObject]
    traceparent: Mapped[str | None]  # of the request that launched it, where traces are on


class JobCount(Base):
    """A change of how many jobs of a kind an organization has: triggers of `jobs` write it."""

    __tablename__ = "job_counts"
    id: Mapped[IntPk]
    organization_id: Mapped[int]
    kind: Mapped[str]
    jobs: Mapped[int]


class JobRun(Base):
    """Specification 2.6: one attempt, fenced by its id, its tokens and its lease."""

    __tablename__ = "job_runs"
    __table_args__ = (
        UniqueConstraint("job_id", "attempt_number"),
        Index(
            "uq_job_runs_live",
            "job_id",
            unique=True,
            postgresql_where=text("state IN ('pending', 'starting', 'running')"),
        ),
        Index("ix_job_runs_pending", "pool", "id", postgresql_where=text("state = 'pending'")),
        Index(
            "ix_job_runs_awaits_hosts",
            "job_id",
            postgresql_where=text("state = 'pending' AND awaits_hosts"),
        ),
        Index(
            "ix_job_runs_awaits_lease",
            "job_id",
            postgresql_where=text("state = 'pending' AND awaits_lease"),
        ),
        Index(
            "ix_job_runs_lease",
            "lease_expires_at",
            postgresql_where=text("state IN ('starting', 'running')"),
        ),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    attempt_number: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(server_default="pending")
    pool: Mapped[str] = mapped_column(server_default="default")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    claimed_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    last_heartbeat_at: Mapped[datetime | None]
    lease_expires_at: Mapped[datetime | None]
    rung_at: Mapped[datetime | None]
    available_at: Mapped[datetime | None]  # not to be claimed before; None: at once
    cause: Mapped[str] = mapped_column(server_default="launch")  # or why the attempt before it ended
    limit: Mapped[str | None]  # of an attempt on fewer hosts than its job; None: as the job says
    awaits_hosts: Mapped[bool] = mapped_column(server_default=false())  # `limit` is not known yet
    awaits_lease: Mapped[bool] = mapped_column(server_default=false())  # of the attempt before it, to end
    executor_id: Mapped[int | None] = mapped_column(ForeignKey("executors.id", ondelete="SET NULL"))
    run_token_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    stream_token_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    project_revision: Mapped[str | None]
    exit_code: Mapped[int | None] = mapped_column(Integer)
    error_reason: Mapped[str | None]
    error_detail: Mapped[str | None]
    # What `finish` promised; None until then. Seqs of events start at 1, so 0 is "no event".
    final_event_seq: Mapped[int | None]
    final_log_chunks: Mapped[int | None]
    final_log_bytes: Mapped[int | None]
    final_log_sha256: Mapped[str | None]
