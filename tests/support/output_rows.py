"""Stored output of a run, as event-ingest and log-store leave it."""

import gzip
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from drover_shared.db.models import JobEvent, JobHostSummary, LogArchive, LogChunkRow
from drover_shared.domain.keys import archive_key, chunk_key
from drover_shared.objects import ObjectStore
from drover_shared.parts import HEAD, Packer
from sqlalchemy import text
from sqlalchemy.orm import Session

FIRST_EVENT_AT = datetime(2025, 12, 10, 9, 3, 11, 123000, tzinfo=UTC)


def store_events(db: Session, run_id: UUID, job_id: int, seqs: Sequence[int], **values: Any) -> None:
    """Rows for these seqs and the run's progress."""
    for seq in seqs:
        defaults: dict[str, Any] = {
            "event_type": "TASK_OK",
            "host": "web01.example.com",
            "task_name": "Install nginx",
            "play_name": "Configure web servers",
            "stdout_snippet": "changed: [web01.example.com]",
            "changed": True,
            "data": {"rc": 0, "changed": True},
            "timestamp": FIRST_EVENT_AT + timedelta(seconds=seq),
        }
        db.add(JobEvent(job_run_id=run_id, job_id=job_id, seq=seq, **(defaults | values)))
    db.flush()
    db.execute(
        text(
            "INSERT INTO run_event_progress (job_run_id, job_id, received, events, hosts_total, hosts_ok,"
            " hosts_changed) SELECT :run, :job, range_agg(int8range(seq, seq + 1)), count(*), 1, 1, 1"
            " FROM job_events WHERE job_run_id = :run"
            " ON CONFLICT (job_run_id) DO UPDATE SET received = excluded.received, events = excluded.events"
        ),
        {"run": run_id, "job": job_id},
    )


def store_log(
    db: Session, store: ObjectStore, run_id: UUID, job_id: int, pieces: Sequence[bytes], *, missing: int = -1
) -> None:
    """Objects, rows and progress of a log in these pieces, but for the one numbered `missing`."""
    offset = 0
    for seq, piece in enumerate(pieces):
        if seq != missing:
            key = chunk_key(run_id, seq)
            store.put(key, piece)
            db.add(
                LogChunkRow(
                    job_run_id=run_id,
                    seq=seq,
                    storage_key=key,
                    byte_offset=offset,
                    byte_length=len(piece),
                    sha256=sha256(piece).hexdigest(),
                )
            )
        offset += len(piece)
    db.flush()
    db.execute(
        text(
            "INSERT INTO run_log_progress (job_run_id, job_id, received, bytes)"
            " SELECT :run, :job, range_agg(int8range(seq, seq + 1)), sum(byte_length)"
            " FROM log_chunks WHERE job_run_id = :run"
            " ON CONFLICT (job_run_id) DO UPDATE SET received = excluded.received, bytes = excluded.bytes"
        ),
        {"run": run_id, "job": job_id},
    )


def store_archive(
    db: Session, store: ObjectStore, run_id: UUID, whole: bytes, part_bytes: int, *, members: bool = False
) -> None:
    """The log as one object, as of now or of gzip `members`; the objects of its chunks are gone."""
    packer, ends, lines, crcs = Packer(), list[int](), list[int](), list[int]()
    key, body = archive_key(run_id, "x"), b"" if members else HEAD
    for low in range(0, len(whole), part_bytes):
        piece = whole[low : low + part_bytes]
        if members:
            body += gzip.compress(piece)
        else:
            part = packer.pack(piece)
            body += part.body
            lines.append(whole[: low + part_bytes].count(b"\n"))
            crcs.append(part.crc)
        ends.append(len(body))
    store.put(key, body if members else body + packer.tail())
    chunks = db.query(LogChunkRow).filter_by(job_run_id=run_id).all()
    store.delete_many([chunk.storage_key for chunk in chunks])
    for chunk in chunks:
        chunk.storage_key = key
    db.add(
        LogArchive(
            job_run_id=run_id,
            storage_key=key,
            ready_at=FIRST_EVENT_AT,
            member_bytes=part_bytes,
            member_ends=ends,
            part_lines=lines,
            part_crcs=crcs,
        )
    )


def store_summary(db: Session, run_id: UUID, job_id: int, host: str, **counts: int) -> None:
    db.add(
        JobHostSummary(job_run_id=run_id, job_id=job_id, host=host, last_event_at=FIRST_EVENT_AT, **counts)
    )
    db.flush()
