"""Markers are taken out of the output, and nothing else is."""

import base64
import json

from drover_executor.child.markers import Marker, MarkerFilter, Text
from hypothesis import given
from hypothesis import strategies as st


def marker(payload: object) -> bytes:
    """As ansible-runner's display callback writes it."""
    encoded = base64.b64encode(json.dumps(payload).encode()).decode()
    cut = [encoded[at : at + 78] for at in range(0, len(encoded), 78)]
    body = "".join(part + f"\x1b[{len(part)}D" for part in cut)
    return b"\x1b[K" + body.encode() + b"\x1b[K"


BEGIN, END = marker({"uuid": "0242ac11-0002-443b-cdb1-000000000006"}), marker({})
PIECES = [
    b"text\n",
    b"\x1b[0;32mok\x1b[0m\n",
    b"\x1b[K",
    b"\x1b",
    b"\x1b[",
    b"\x1b[KAAAA\x1b[4D",
    b"\xff\xfe",
    b"K",
    b"D",
]


@given(st.lists(st.sampled_from([*PIECES, BEGIN, END])), st.data())
def test_any_cuts(pieces: list[bytes], data: st.DataObject) -> None:
    """However the bytes are cut, texts and markers together are the input, in order."""
    whole = b"".join(pieces)
    found, at, parser = [], 0, MarkerFilter()
    while at < len(whole):
        size = data.draw(st.integers(1, 40))
        found += list(parser.feed(whole[at : at + size]))
        at += size
    found += list(parser.close())
    assert b"".join(part.raw for part in found) == whole
    once = MarkerFilter()
    in_one = [*once.feed(whole), *once.close()]
    assert [part for part in found if isinstance(part, Marker)] == [
        part for part in in_one if isinstance(part, Marker)
    ]


def test_an_event() -> None:
    parts = list(MarkerFilter().feed(b"before" + BEGIN + b"inside" + END + b"after\n"))
    assert [type(part) for part in parts] == [Text, Marker, Text, Marker, Text]
    assert isinstance(parts[1], Marker)
    assert parts[1].uuid == "0242ac11-0002-443b-cdb1-000000000006"
    assert isinstance(parts[3], Marker)
    assert parts[3].uuid is None


def test_a_payload_that_is_no_marker_is_text() -> None:
    for payload in ({"uuid": "../../etc/passwd"}, {"uuid": 1}, ["x"], {"other": 1}):
        assert list(MarkerFilter().feed(marker(payload))) == [Text(marker(payload))]
