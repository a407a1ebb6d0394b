"""Batches and chunks are cut right, and what vanished is sent again, and only that."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson
from drover_executor.client.run_api import Stored
from drover_executor.shipping.ledger import Sent
from drover_executor.shipping.release import Release
from drover_executor.shipping.shipper import Shipper
from drover_executor.shipping.sinks import SinkUnavailableError
from drover_executor.shipping.spools import BATCH_EVENTS, CHUNK_BYTES, CHUNK_SECONDS, EventSpool, LogSpool
from drover_shared.messages.streams import MAX_BATCH_BYTES


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class ListSink:
    """A sink that keeps what it gets; `away` makes it refuse."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.chunks: list[tuple[int, int, bytes]] = []
        self.held: set[bytes] = set()
        self.away = False
        self._count = 0

    def events(self, batch: Sequence[bytes]) -> bytes | None:
        entry = self._entry()
        self.batches.append([orjson.loads(event)["seq"] for event in batch])
        return entry

    def chunk(self, seq: int, offset: int, data: bytes) -> bytes | None:
        entry = self._entry()
        self.chunks.append((seq, offset, data))
        return entry

    def waiting(self, stream: str, suspects: Iterable[Sent]) -> set[bytes]:
        assert stream
        return {sent.entry for sent in suspects if sent.entry in self.held and sent.entry is not None}

    def _entry(self) -> bytes:
        if self.away:
            raise SinkUnavailableError("away")
        self._count += 1
        return b"%d-0" % self._count


def event_spool(folder: Path) -> EventSpool:
    path = folder / "events.jsonl"
    return EventSpool(path, Release(path))


def write_events(spool: Path, first: int, last: int, size: int = 0) -> None:
    with (spool / "events.jsonl").open("ab") as file:
        for seq in range(first, last + 1):
            file.write(orjson.dumps({"seq": seq, "data": "x" * size}) + b"\n")


def write_log(spool: Path, data: bytes) -> None:
    with (spool / "log").open("ab") as file:
        file.write(data)


def test_an_unfinished_line_waits(tmp_path: Path) -> None:
    spool = event_spool(tmp_path)
    spool.look()
    assert spool.count == 0
    write_events(tmp_path, 1, 2)
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"seq": 3')
    spool.look()
    assert spool.count == 2
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b"}\n")
    spool.look()
    assert spool.count == 3
    assert spool.batch(2, 3)[1] == b'{"seq": 3}'


def test_batches_are_bounded(tmp_path: Path) -> None:
    spool = event_spool(tmp_path)
    write_events(tmp_path, 1, 2 * BATCH_EVENTS)
    write_events(tmp_path, 2 * BATCH_EVENTS + 1, 2 * BATCH_EVENTS + 20, 200_000)
    spool.look()
    assert spool.count == 2 * BATCH_EVENTS + 20
    first, seen = 1, 0
    while first <= spool.count:
        batch = spool.batch(first, spool.count)
        assert len(batch) <= BATCH_EVENTS
        assert sum(map(len, batch)) <= MAX_BATCH_BYTES
        assert orjson.loads(batch[0])["seq"] == first
        first += len(batch)
        seen += len(batch)
    assert seen == spool.count


def test_chunks_are_cut_by_size_and_time(tmp_path: Path) -> None:
    clock = Hand()
    log = LogSpool(tmp_path / "log", Release(tmp_path / "log"), clock)
    write_log(tmp_path, b"a" * (2 * CHUNK_BYTES + 10))
    log.look()
    assert log.count == 2
    assert log.due_in() == CHUNK_SECONDS
    clock.now += CHUNK_SECONDS
    log.look()
    assert log.chunk(2) == (2 * CHUNK_BYTES, b"a" * 10)
    assert log.due_in() is None
    write_log(tmp_path, b"the end")
    log.look(at_end=True)
    assert (log.count, log.size) == (4, 2 * CHUNK_BYTES + 17)
    assert log.sha256 == hashlib.sha256((tmp_path / "log").read_bytes()).hexdigest()


def test_a_sink_that_is_away_costs_nothing(tmp_path: Path) -> None:
    clock, sink = Hand(), ListSink()
    shipper = Shipper(tmp_path, sink, clock)
    sink.away = True
    write_events(tmp_path, 1, 3)
    shipper.look()
    shipper.send()
    assert shipper.produced == (3, -1)
    assert not shipper.all_sent
    sink.away = False
    shipper.send()
    assert sink.batches == []  # not before the pause is over
    clock.now += 1
    write_events(tmp_path, 4, 4)
    shipper.look()
    shipper.send()
    assert sink.batches == [[1, 2, 3, 4]]
    assert shipper.all_sent


def test_only_what_vanished_is_sent_again(tmp_path: Path) -> None:
    clock, sink = Hand(), ListSink()
    shipper = Shipper(tmp_path, sink, clock)
    for first, last in ((1, 2), (3, 4), (5, 6)):
        write_events(tmp_path, first, last)
        shipper.look()
        shipper.send()
    sink.held = {b"3-0"}  # the last batch still waits in the stream
    missing = Stored(committed_seq=2, missing=[(3, 6)])
    shipper.hear(missing)
    assert len(sink.batches) == 3  # it may be on its way
    clock.now += 3
    shipper.hear(missing)
    assert sink.batches[3:] == [[3, 4]]
    shipper.hear(missing)
    assert len(sink.batches) == 4
    clock.now += 10
    sink.held = set()
    shipper.hear(Stored(committed_seq=4, missing=[(5, 6)]))
    assert sink.batches[4:] == [[5, 6]]


def small_shipper(spool: Path, sink: ListSink, clock: Hand) -> Shipper:
    """Gives back whatever it may."""
    return Shipper(spool, sink, clock, release_bytes=1)


def bytes_on_disk(file: Path) -> int:
    return file.stat().st_blocks * 512


def test_what_is_stored_is_given_back_to_the_disk(tmp_path: Path) -> None:
    clock, sink = Hand(), ListSink()
    shipper = small_shipper(tmp_path, sink, clock)
    write_events(tmp_path, 1, 100, 10_000)
    write_log(tmp_path, b"c" * (20 * CHUNK_BYTES))
    shipper.look()
    shipper.send()
    sizes = [(tmp_path / name).stat().st_size for name in ("events.jsonl", "log")]
    shipper.hear(Stored(committed_seq=95, committed_log_seq=17, missing=[(96, 100)], missing_log=[(18, 19)]))
    assert [(tmp_path / name).stat().st_size for name in ("events.jsonl", "log")] == sizes
    assert bytes_on_disk(tmp_path / "events.jsonl") < sizes[0] * 2 / 3  # one batch is stored in part
    assert bytes_on_disk(tmp_path / "log") < sizes[1] / 5
    clock.now += 60
    shipper.hear(Stored(committed_seq=95, committed_log_seq=17, missing=[(96, 100)], missing_log=[(18, 19)]))
    assert sink.chunks[20:] == [(seq, seq * CHUNK_BYTES, b"c" * CHUNK_BYTES) for seq in (18, 19)]
    assert sink.batches[-1] == sink.batches[-2]
    assert sink.batches[-1][-5:] == list(range(96, 101))
    write_log(tmp_path, b"end")
    shipper.look(at_end=True)
    assert shipper.totals()["log_sha256"] == hashlib.sha256(b"c" * (20 * CHUNK_BYTES) + b"end").hexdigest()


def test_what_was_given_back_is_not_read_by_a_next_start(tmp_path: Path) -> None:
    clock, sink = Hand(), ListSink()
    shipper = small_shipper(tmp_path, sink, clock)
    write_events(tmp_path, 1, 50)
    write_log(tmp_path, b"d" * (3 * CHUNK_BYTES))
    shipper.look()
    shipper.send()
    shipper.hear(Stored(committed_seq=40, committed_log_seq=1))
    write_events(tmp_path, 51, 60)
    write_log(tmp_path, b"e" * CHUNK_BYTES)
    again = Shipper.resumed(tmp_path, later := ListSink())
    assert again.produced == (60, 2)
    again.look(at_end=True)
    again.hear(Stored(committed_seq=40, committed_log_seq=1, missing=[(41, 60)], missing_log=[(2, 2)]))
    again.send()
    assert [seq for batch in later.batches for seq in batch][-20:] == list(range(41, 61))
    assert later.chunks == [
        (2, 2 * CHUNK_BYTES, b"d" * CHUNK_BYTES),
        (3, 3 * CHUNK_BYTES, b"e" * CHUNK_BYTES),
    ]
    totals = {"last_seq": 60, "log_chunks": 4, "log_bytes": 4 * CHUNK_BYTES, "log_sha256": None}
    assert again.totals() == totals


def test_a_lost_chunk_is_sent_again(tmp_path: Path) -> None:
    clock, sink = Hand(), ListSink()
    shipper = Shipper(tmp_path, sink, clock)
    write_log(tmp_path, b"b" * CHUNK_BYTES + b"rest")
    shipper.look(at_end=True)
    shipper.send()
    clock.now += 3
    shipper.hear(Stored(committed_log_seq=0, missing_log=[(1, 1)]))
    assert [chunk[:2] for chunk in sink.chunks] == [(0, 0), (1, CHUNK_BYTES), (1, CHUNK_BYTES)]
    assert sink.chunks[2][2] == b"rest"
