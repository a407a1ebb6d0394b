import random
import socket

import pytest
from drover_cli.local.ports import HIGHEST, LOWEST, choose_port, is_free


@pytest.fixture
def busy() -> "socket.socket":
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def test_a_listening_port_is_not_free(busy: socket.socket) -> None:
    with busy:
        assert not is_free(busy.getsockname()[1])


def test_the_preferred_port_is_kept_while_it_is_free(busy: socket.socket) -> None:
    port = busy.getsockname()[1]
    with busy:
        other = choose_port(port, set(), random.Random(1))
    assert other != port
    assert choose_port(port, set(), random.Random(1)) == port


def test_no_port_is_chosen_twice() -> None:
    first = choose_port(None, set(), random.Random(7))
    second = choose_port(first, {first}, random.Random(7))
    assert second != first
    assert LOWEST <= second < HIGHEST


def test_a_person_is_told_when_every_port_is_taken() -> None:
    with pytest.raises(OSError, match="no free TCP port"):
        choose_port(None, set(range(LOWEST, HIGHEST)), random.Random(1))
