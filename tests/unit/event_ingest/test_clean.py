"""Whatever JSON a module prints, what is left is JSON that PostgreSQL takes."""

import json
from typing import Any

import orjson
from drover_event_ingest.clean import clean_text, encode_data
from drover_shared.messages.streams import MAX_EVENT_BYTES
from hypothesis import given
from hypothesis import strategies as st

any_text = st.text(st.characters(exclude_categories=()), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=20,
)


@given(any_text)
def test_text_becomes_fit(text: str) -> None:
    clean = clean_text(text)
    assert "\x00" not in clean
    clean.encode()


@given(st.text())
def test_fit_text_stays(text: str) -> None:
    assert clean_text(text) == text.replace("\x00", "\ufffd")


def test_a_surrogate_pair_becomes_its_character() -> None:
    assert clean_text("\ud83d\ude00 \ud83d") == "\U0001f600 \ufffd"


@given(st.dictionaries(any_text, values, max_size=5))
def test_data_becomes_fit(data: dict[str, Any]) -> None:
    _, encoded = encode_data(data)
    assert b"\\u0000" not in encoded.replace(b"\\\\", b"")
    orjson.loads(encoded)


@given(st.dictionaries(st.text(max_size=5), st.integers(-(2**63), 2**63) | st.text(max_size=9), max_size=5))
def test_fit_data_stays(data: dict[str, Any]) -> None:
    data = {key.replace("\x00", ""): value for key, value in data.items() if "\x00" not in str(value)}
    assert json.loads(encode_data(data)[1]) == data


@given(
    st.dictionaries(
        st.text("abc", max_size=5), st.sampled_from([1, "x" * 300_000, ["y" * 9] * 40_000]), max_size=5
    )
)
def test_giants_are_cut(data: dict[str, Any]) -> None:
    before = orjson.dumps(data)
    _, encoded = encode_data(data)
    assert len(encoded) <= MAX_EVENT_BYTES
    cut = orjson.loads(encoded)
    assert (cut.get("truncated") is True) == (len(before) > MAX_EVENT_BYTES)
    small = {key: value for key, value in data.items() if value == 1}
    assert small.items() <= cut.items()
