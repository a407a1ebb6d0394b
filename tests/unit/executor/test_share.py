"""A slice's share of the hosts."""

from typing import Any

import pytest
from drover_executor.child.share import chosen, hosts_in, share_of
from hypothesis import given
from hypothesis import strategies as st

HOSTS = [f"web{number:02}" for number in range(1, 11)]


@given(st.sets(st.text(min_size=1), max_size=40), st.integers(1, 12))
def test_every_host_is_in_one_slice_and_slices_are_as_even_as_can_be(hosts: set[str], count: int) -> None:
    shares = [share_of(sorted(hosts, reverse=True), number, count) for number in range(1, count + 1)]
    assert sorted(host for share in shares for host in share) == sorted(hosts)
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)


def test_every_third_by_name() -> None:
    assert share_of(HOSTS, 2, 3) == ["web02", "web05", "web08"]


def test_what_ansible_lists() -> None:
    assert hosts_in("[WARNING]: something\n  hosts (2):\n    web01\n    ::1\n") == ["web01", "::1"]
    assert hosts_in("  hosts (0):\n") == []


@pytest.mark.parametrize(
    ("number", "limited", "hosts", "attempt", "names"),
    [
        (1, True, HOSTS, None, ["web01", "web04", "web07", "web10"]),
        (3, False, HOSTS, None, ["web03", "web06", "web09", "localhost"]),
        (1, False, ["localhost", "a", "b", "c"], None, ["a", "localhost"]),  # a host like any other
        (3, False, ["a", "b"], None, []),  # an empty slice plays nothing, on localhost neither
        (2, True, HOSTS, ["web05", "web06"], ["web05"]),
        (2, False, HOSTS, ["localhost"], ["localhost"]),
        (2, False, HOSTS, ["web01"], []),
    ],
)
def test_the_narrower_limit_wins(
    number: int, limited: bool, hosts: list[str], attempt: list[str] | None, names: list[str]
) -> None:
    wanted: dict[str, Any] = {"number": number, "count": 3, "limited": limited}
    assert chosen(wanted, hosts, attempt) == names
