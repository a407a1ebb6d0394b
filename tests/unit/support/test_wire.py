"""The wires of the chaos tests do to connections what they say."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from support.wire import After, Cut, Switchboard, Wire


def echo(server: socket.socket) -> None:
    def serve(connection: socket.socket) -> None:
        with connection, suppress(ConnectionResetError):
            while data := connection.recv(100):
                connection.sendall(data)

    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


@pytest.fixture
def wire() -> Iterator[Wire]:
    board = Switchboard()
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=echo, args=(server,), daemon=True).start()
        yield board.connect(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
    board.close()


def client(wire: Wire) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", wire.port), 5)
    connection.settimeout(5)
    return connection


def ask(connection: socket.socket, text: bytes) -> bytes:
    connection.sendall(text)
    return connection.recv(100)


def is_silent(connection: socket.socket) -> bool:
    connection.settimeout(0.2)
    try:
        connection.recv(100)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(5)
    return False


def test_a_whole_wire_brings_everything(wire: Wire) -> None:
    with client(wire) as connection:
        assert ask(connection, b"one") == b"one"
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""


@pytest.mark.parametrize("how", [Cut.HOLE, Cut.THERE, Cut.BACK])
def test_what_is_held_comes_when_it_is_whole_again(wire: Wire, how: Cut) -> None:
    with client(wire) as connection:
        assert ask(connection, b"one") == b"one"
        wire.cut(how)
        connection.sendall(b"two")
        assert is_silent(connection)
        wire.heal(After.RESUME)
        assert connection.recv(100) == b"two"


def test_what_is_held_may_be_forgotten(wire: Wire) -> None:
    with client(wire) as connection, client(wire) as other:
        assert ask(connection, b"one") == b"one"
        assert ask(other, b"one") == b"one"
        wire.cut(Cut.HOLE)
        connection.sendall(b"two")
        wire.heal(After.RESET)
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
    with client(wire) as connection:
        assert ask(connection, b"three") == b"three"


def test_connections_may_stay_dead_without_a_word(wire: Wire) -> None:
    with client(wire) as connection:
        assert ask(connection, b"one") == b"one"
        wire.cut(Cut.HOLE)
        wire.heal(After.FORGET)
        connection.sendall(b"two")
        assert is_silent(connection)
        with client(wire) as other:
            assert ask(other, b"three") == b"three"


def test_a_reset_wire_refuses(wire: Wire) -> None:
    with client(wire) as connection:
        assert ask(connection, b"one") == b"one"
        wire.cut(Cut.RESET)
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
    with pytest.raises(ConnectionResetError), client(wire) as connection:
        ask(connection, b"two")
    wire.heal(After.RESUME)
    with client(wire) as connection:
        assert ask(connection, b"three") == b"three"


def test_a_slow_wire_is_slow_and_brings_everything(wire: Wire) -> None:
    wire.cut(Cut.SLOW)
    with client(wire) as connection:
        connection.sendall(b"one")
        assert is_silent(connection)
        assert connection.recv(100) == b"one"
