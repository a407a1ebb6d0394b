"""Formats of a log give the same whatever the pieces they come in."""

from itertools import pairwise

import pytest
from drover_api.output.formats import formatted
from hypothesis import given
from hypothesis import strategies as st

LOG = (
    "\x1b[0;31mfailed: caf\u00e9\x1b[0m\n\x1b]8;;x\x07link\x1b]8;;\x07 \x1b[1mbold\x1b[22m <b> plain \x1b[K\n"
).encode()


@pytest.mark.parametrize("kind", ["ansi", "text", "json"])
@given(cuts=st.lists(st.integers(0, len(LOG)), max_size=6))
def test_pieces_do_not_matter(kind: str, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(LOG)]
    pieces = [LOG[low:high] for low, high in pairwise(edges)]
    assert b"".join(formatted(kind, pieces)) == b"".join(formatted(kind, [LOG]))


def test_text_has_no_escape_left() -> None:
    text = b"".join(formatted("text", [LOG])).decode()
    assert text == "failed: caf\u00e9\nlink bold <b> plain \n"


def test_html_is_escaped_and_coloured() -> None:
    page = b"".join(formatted("html", [LOG])).decode()
    assert '<span class="red">failed: caf\u00e9</span>' in page
    assert '<span class="b">bold</span> &lt;b&gt; plain' in page
    assert "\x1b" not in page


def test_an_escape_that_never_ends_is_not_held_for_ever() -> None:
    log = [b"\x1b]" + b"x" * 400, b"y" * 400]
    assert b"".join(formatted("text", log)).endswith(b"y")
