"""The fact cache: what earlier jobs gathered goes to a run, what the run gathered is kept for later ones."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from drover_shared.db.models import Host, HostFacts, Inventory, Job, JobRun
from drover_shared.domain.errors import FieldError, InvalidError
from drover_shared.domain.facts import MAX_BATCH_BYTES, MAX_HOST_BYTES, MAX_HOSTS
from sqlalchemy import Row, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session

from drover_api.resources.inventories.kinds import CONSTRUCTED, HELD

_PAGE_HOSTS = 1000
_Found = Row[int, str, int]  # inventory_id, host, bytes


def page(session: Session, run: JobRun, after: str) -> dict[str, Any]:
    """Facts of hosts whose names come behind `after`, as many as fit; `next` is None on the last page.

    Of the job's inventory and, where it is constructed, of those that it is made of: the newest of a host.
    None that are older than the job's time-out, none for a job that uses no facts.
    """
    job = session.get_one(Job, run.job_id)
    if not job.use_fact_cache:
        return {"items": [], "next": None}
    found = _newest(session, job, after)
    chosen = list(_fitting(found))
    key = tuple_(HostFacts.inventory_id, HostFacts.host)
    facts = session.execute(
        select(HostFacts.host, HostFacts.facts)
        .where(key.in_([(one.inventory_id, one.host) for one in chosen]))
        .order_by(HostFacts.host)
    )
    more = len(chosen) < len(found) or len(found) == _PAGE_HOSTS
    return {
        "items": [{"host": row.host, "facts": row.facts} for row in facts],
        "next": chosen[-1].host if more else None,
    }


def _newest(session: Session, job: Job, after: str) -> Sequence[_Found]:
    query = select(HostFacts.inventory_id, HostFacts.host, HostFacts.bytes).where(
        HostFacts.inventory_id.in_(_sources(session, job)), HostFacts.host > after
    )
    if job.fact_cache_timeout_seconds:
        query = query.where(
            HostFacts.gathered_at > func.now() - timedelta(seconds=job.fact_cache_timeout_seconds)
        )
    newest = query.ext(distinct_on(HostFacts.host)).order_by(HostFacts.host, HostFacts.gathered_at.desc())
    return session.execute(newest.limit(_PAGE_HOSTS)).all()


def _sources(session: Session, job: Job) -> list[int]:
    inventory = session.get(Inventory, job.inventory_id)
    inputs = inventory.input_inventory_ids if inventory is not None and inventory.kind == CONSTRUCTED else []
    return [job.inventory_id, *inputs]


def _fitting(found: Sequence[_Found]) -> Iterator[_Found]:
    """The first of them, one at least, as far as they fit into one answer."""
    total = 0
    for one in found:
        total += one.bytes
        if total > MAX_BATCH_BYTES and total > one.bytes:
            return
        yield one


def keep(session: Session, run: JobRun, hosts: Sequence[Mapping[str, Any]]) -> int:
    """Keep facts in place of those that were there, forget those that are None; returns how many were kept.

    Facts of what is no host of the inventory are left out, as are hosts beyond `MAX_HOSTS` of an inventory
    that does not say which hosts it has. Raises InvalidError for facts that are too large, or that the job
    does not use.
    """
    job = session.get_one(Job, run.job_id)
    if not job.use_fact_cache:
        raise InvalidError(FieldError("/hosts", "The job does not use the fact cache."))
    given = {str(one["host"]): one["facts"] for one in hosts}
    sizes = {host: _size(facts) for host, facts in given.items()}
    if too_large := [host for host, size in sizes.items() if size > MAX_HOST_BYTES]:
        raise InvalidError(FieldError("/hosts", f"The facts of {too_large[0]} are too large."))
    # Locked as who changes its hosts locks it, so that no facts outlive their host.
    lock = select(Inventory.kind).where(Inventory.id == job.inventory_id)
    kind = session.scalar(lock.with_for_update(read=True, key_share=True))
    if kind is None:
        return 0
    _forget(session, job, [host for host, facts in given.items() if facts is None])
    held = {host: facts for host, facts in given.items() if facts is not None}
    wanted = _known(session, job, kind, held)
    _store(session, job, [(host, held[host], sizes[host]) for host in wanted])
    return len(wanted)


def _size(facts: Any) -> int:
    """Bytes as JSON. Raises InvalidError for numbers that JSON does not have."""
    try:
        return len(json.dumps(facts, ensure_ascii=False, allow_nan=False).encode())
    except ValueError:
        raise InvalidError(FieldError("/hosts", "Holds a number that is not finite.")) from None


def _known(session: Session, job: Job, kind: str, hosts: Mapping[str, Any]) -> list[str]:
    """Those of `hosts` that may be kept, in the order in which every transaction locks them."""
    if kind == HELD:
        found = select(Host.name).where(Host.inventory_id == job.inventory_id, Host.name.in_(hosts))
        return sorted(session.scalars(found))
    of_inventory = HostFacts.inventory_id == job.inventory_id
    room = MAX_HOSTS - (session.scalar(select(func.count()).where(of_inventory)) or 0)
    there = set(session.scalars(select(HostFacts.host).where(of_inventory, HostFacts.host.in_(hosts))))
    new = sorted(set(hosts) - there)
    return sorted([*there, *new[: max(0, room)]])


def _forget(session: Session, job: Job, hosts: Sequence[str]) -> None:
    if hosts:
        session.execute(
            delete(HostFacts).where(HostFacts.inventory_id == job.inventory_id, HostFacts.host.in_(hosts))
        )


def _store(session: Session, job: Job, rows: Sequence[tuple[str, Any, int]]) -> None:
    if not rows:
        return
    values = [
        {"inventory_id": job.inventory_id, "host": host, "facts": facts, "bytes": size, "job_id": job.id}
        for host, facts, size in rows
    ]
    new = insert(HostFacts).values(values)
    session.execute(
        new.on_conflict_do_update(
            index_elements=[HostFacts.inventory_id, HostFacts.host],
            set_={
                "facts": new.excluded.facts,
                "bytes": new.excluded.bytes,
                "job_id": new.excluded.job_id,
                "gathered_at": func.now(),
            },
        )
    )
