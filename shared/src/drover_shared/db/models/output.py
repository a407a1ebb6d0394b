"""What runs put out: events, host summaries, log chunks, and how much of each is stored.

`received` columns are PostgreSQL int8multirange: the stored seqs, so that gaps are a subtraction and a repeat
changes nothing.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Integer, LargeBinary, Sequence, false, func, text
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from drover_shared.db.models.base import Base, BigInts, IntPk

_event_ids = Sequence("job_events_id_seq", metadata=Base.metadata)


class JobEvent(Base):
    """Specification 2.7; partitioned by `job_run_id` (UUIDv7), one partition a day.

    No foreign keys: the cost of an insert stays flat, and a partition is dropped, not emptied.
    """

    __tablename__ = "job_events"
    __table_args__ = (
        Index("ix_job_events_host", "job_run_id", "host", "seq"),
        Index("ix_job_events_type", "job_run_id", "event_type", "seq"),
        Index("ix_job_events_changed", "job_run_id", "seq", postgresql_where=text("changed")),
        Index("ix_job_events_failed", "job_run_id", "seq", postgresql_where=text("failed")),
        {"postgresql_partition_by": "RANGE (job_run_id)"},
    )
    job_run_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(_event_ids, server_default=_event_ids.next_value())
    job_id: Mapped[int]
    timestamp: Mapped[datetime]
    event_type: Mapped[str]
    host: Mapped[str | None]
    task_name: Mapped[str | None]
    play_name: Mapped[str | None]
    changed: Mapped[bool] = mapped_column(server_default=false())
    failed: Mapped[bool] = mapped_column(server_default=false())
    stdout_snippet: Mapped[str | None]
    data: Mapped[Any] = mapped_column(JSONB)


class RunEventProgress(Base):
    """A run's watermark and the host counts of 2.5.

    event-ingest alone writes it; a transaction locks its rows first, in id order, so nothing deadlocks.
    """

    __tablename__ = "run_event_progress"
    job_run_id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[int]
    received: Mapped[Any] = mapped_column(INT8MULTIRANGE, server_default=text("'{}'"))
    events: Mapped[int] = mapped_column(server_default="0")
    last_event_at: Mapped[datetime | None]
    hosts_total: Mapped[int] = mapped_column(Integer, server_default="0")
    hosts_ok: Mapped[int] = mapped_column(Integer, server_default="0")
    hosts_failed: Mapped[int] = mapped_column(Integer, server_default="0")
    hosts_unreachable: Mapped[int] = mapped_column(Integer, server_default="0")
    hosts_skipped: Mapped[int] = mapped_column(Integer, server_default="0")
    hosts_changed: Mapped[int] = mapped_column(Integer, server_default="0")


class JobHostSummary(Base):
    """Specification 2.8 for one attempt; `final` once Ansible's own recap (STATS) has spoken."""

    __tablename__ = "job_host_summaries"
    __table_args__ = (Index("ix_job_host_summaries_host", "host", "job_id"),)
    job_run_id: Mapped[UUID] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[int]
    ok: Mapped[int] = mapped_column(Integer, server_default="0")
    changed: Mapped[int] = mapped_column(Integer, server_default="0")
    failed: Mapped[int] = mapped_column(Integer, server_default="0")
    skipped: Mapped[int] = mapped_column(Integer, server_default="0")
    unreachable: Mapped[int] = mapped_column(Integer, server_default="0")
    rescued: Mapped[int] = mapped_column(Integer, server_default="0")
    ignored: Mapped[int] = mapped_column(Integer, server_default="0")
    final: Mapped[bool] = mapped_column(server_default=false())
    last_event_at: Mapped[datetime | None]


class DeadLetter(Base):
    """What could not be stored, as it came, with the reason; it can be looked at and replayed."""

    __tablename__ = "dead_letters"
    id: Mapped[IntPk]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    stream: Mapped[str]
    message_id: Mapped[str]
    job_run_id: Mapped[UUID | None] = mapped_column(index=True)
    seq: Mapped[int | None]
    reason: Mapped[str]
    body: Mapped[bytes] = mapped_column(LargeBinary)


class LogChunkRow(Base):
    """Specification 2.9; `byte_offset` is the number of log bytes before this chunk.

    `storage_key` names the object that holds it: its own, or the run's archive.
    """

    __tablename__ = "log_chunks"
    job_run_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    storage_key: Mapped[str]
    byte_offset: Mapped[int]
    byte_length: Mapped[int]
    sha256: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LogArchive(Base):
    """A finished log as one gzip file of parts (`drover_shared.parts`), each of `member_bytes` of the log.

    `member_ends` says where each ends in the object, `part_crcs` what its content's CRC-32 is, and
    `part_lines` how many line feeds are in it and before it. The last two are empty for an archive of gzip
    members, as they were made before. Until `ready_at` somebody is making it, who renews `lease_until`, and
    only the chunks count; until `chunks_removed_at` the chunks' objects are still there.
    """

    __tablename__ = "log_archives"
    __table_args__ = (
        Index(
            "ix_log_archives_chunks",
            "ready_at",
            postgresql_where=text("ready_at IS NOT NULL AND chunks_removed_at IS NULL"),
        ),
    )
    job_run_id: Mapped[UUID] = mapped_column(primary_key=True)
    storage_key: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ready_at: Mapped[datetime | None]
    chunks_removed_at: Mapped[datetime | None]
    member_bytes: Mapped[int] = mapped_column(server_default="0")
    member_ends: Mapped[BigInts]
    part_lines: Mapped[BigInts]
    part_crcs: Mapped[BigInts]
    lease_until: Mapped[datetime] = mapped_column(server_default=func.now())


class RunLogProgress(Base):
    """Which chunks of a run are stored; log-store alone writes it. `settled`: no archive is to be made."""

    __tablename__ = "run_log_progress"
    __table_args__ = (Index("ix_run_log_progress_open", "job_run_id", postgresql_where=text("NOT settled")),)
    job_run_id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[int]
    received: Mapped[Any] = mapped_column(INT8MULTIRANGE, server_default=text("'{}'"))
    bytes: Mapped[int] = mapped_column(server_default="0")
    settled: Mapped[bool] = mapped_column(server_default=false())
