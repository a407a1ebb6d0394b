"""The quick way of preparing a batch comes to the same as taking each event apart, or leaves it to that."""

import json
from typing import Any

import orjson
import pytest
from drover_event_ingest.events import InvalidEventError, PreparedEvent, prepare_event
from drover_event_ingest.quick import prepare_quickly
from drover_shared.messages.streams import read_events_body
from hypothesis import given
from hypothesis import strategies as st
from support.output import event

RUN = "c0c3bdc8-08c8-49aa-aea3-51f2d036e9f1"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | texts
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
kinds = st.sampled_from(["TASK_OK", "TASK_FAILED", "HOST_UNREACHABLE", "WARNING", "FILE_DIFF"])
data = st.dictionaries(texts | st.sampled_from(["changed", "ignored"]), json_values, max_size=4)
plain = st.fixed_dictionaries(
    {"seq": st.integers(1, 99), "event_type": kinds, "data": data},
    optional={
        "host": st.none() | texts,
        "task_name": texts | st.just("x" * 5000),
        "stdout_snippet": texts,
        "more": scalars,
    },
)
odd = st.fixed_dictionaries(
    {},
    optional={
        "seq": st.sampled_from([0, True, 1.0, "1", 2**63, None]),
        "timestamp": st.sampled_from(
            ["2025-12-10 09:03:11+01:00", "2025-W01-1T09:03:11.123Z", "2025-02-31T00:00:00.000Z", "x", 7]
        ),
        "event_type": st.sampled_from(["PARTY", None, ["TASK_OK"]]),
        "host": st.sampled_from([7, "h" * 2000, "\x00"]),
        "data": st.sampled_from([[], None, "text", {"x": "y" * 300_000}]),
    },
)


def taken_apart(body: bytes) -> list[PreparedEvent] | None:
    try:
        return [prepare_event(found, RUN, 1) for found in read_events_body({b"body": body})]
    except InvalidEventError:
        return None


def columns(events: list[PreparedEvent] | None) -> Any:
    """What a row says; its JSON may be written in two ways."""
    if events is None:
        return None
    rows = [prepared.row.decode().removesuffix("\n").split("\t", 11) for prepared in events]
    return [
        (each.seq, each.at, each.host, each.adds, *row[:11], json.loads(row[11].replace("\\\\", "\\")))
        for each, row in zip(events, rows, strict=True)
    ]


@given(st.lists(st.tuples(plain, st.just({}) | odd), max_size=3))
def test_both_ways_say_the_same(parts: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    body = json.dumps([event(1) | usual | strange for usual, strange in parts], ensure_ascii=False).encode()
    quick = prepare_quickly(body, RUN, 1)
    if quick is not None:
        assert columns(list(quick)) == columns(taken_apart(body))


@pytest.mark.parametrize(
    "plain_event",
    [
        event(1, changed=True, rc=0, msg='tab\t "quote" \\ line\n é', colour="\x1b[31mred"),
        event(2, "TASK_FAILED", None, ignored=True),
        event(3, "STATS", None, ok={"a": 2}, failures={}),
        {**event(4), "timestamp": "2025-12-10T09:03:11+01:00", "host": "h\tst\\"},
    ],
)
def test_what_executors_send_goes_the_quick_way(plain_event: dict[str, Any]) -> None:
    body = orjson.dumps([plain_event])
    quick = prepare_quickly(body, RUN, 1)
    assert quick is not None
    assert columns(list(quick)) == columns(taken_apart(body))
    assert [each.recap for each in quick] == [each.recap for each in taken_apart(body) or []]


@pytest.mark.parametrize(
    "body",
    [
        b'[{"seq":1,"data":{"a":"\\u0000"}}]',
        orjson.dumps([event(1, msg="\x00")]),
        json.dumps([event(1, msg="\ud800")]).encode(),
        orjson.dumps([event(1)], option=orjson.OPT_INDENT_2),
        orjson.dumps([event(1, msg="é")]).replace("é".encode(), b"\xe9"),
        orjson.dumps([event(1), "no event"]),
        orjson.dumps([event(1, msg="x" * 300_000)]),
        orjson.dumps([event(1) | {"seq": 1.0}]),
        b"[" * 100_000,
        b"",
    ],
)
def test_what_needs_a_closer_look_is_left_to_it(body: bytes) -> None:
    assert prepare_quickly(body, RUN, 1) is None
