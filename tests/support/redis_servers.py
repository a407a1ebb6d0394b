"""Redis servers beside the run's own one, behind Sentinels."""

import random
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import redis
from drover_cli.local.ports import choose_port
from drover_cli.local.process import Child, Program
from drover_cli.local.servers import HOST, valkey_binary

from support.waiting import eventually

MASTER = "drover"


@dataclass
class RedisServers:
    """Servers in `folder`; `stop` ends all. They share one password."""

    folder: Path
    password: str = field(default_factory=lambda: secrets.token_hex(12), repr=False)
    _children: dict[str, Child] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    _ports: set[int] = field(default_factory=set)

    def port(self) -> int:
        port = choose_port(None, self._ports, random.Random())
        self._ports.add(port)
        return port

    def start(self, name: str, lines: list[str], *arguments: str) -> None:
        home = self.folder / name
        home.mkdir()
        config = home / "redis.conf"
        config.write_text("\n".join([f'dir "{home}"', f"bind {HOST}", 'save ""', *lines]) + "\n")
        binary = shutil.which("redis-server") or shutil.which("valkey-server") or valkey_binary()
        command = [binary, str(config), *arguments]
        self._children[name] = Child(Program(name, command, self.folder / f"{name}.log", cwd=home))

    def wait_for(self, name: str) -> None:
        """Until it answers."""
        eventually(f"{name} answers", lambda: self._answers(name), 30)

    def _answers(self, name: str) -> bool:
        try:
            return bool(self.client(name).ping())
        except redis.RedisError:
            return False

    def kill(self, name: str) -> None:
        self._children[name].kill()

    def stop(self) -> None:
        for child in self._children.values():
            child.ask_to_stop()
        for child in self._children.values():
            child.stop()

    def start_sentinels(self, count: int = 3) -> str:
        """A master, a replica and Sentinels that watch them; the address once all know each other."""
        login = [f"requirepass {self.password}", f"masterauth {self.password}", "appendonly yes"]
        self.ports = {name: self.port() for name in ("first", "second")}
        self.start("first", [f"port {self.ports['first']}", *login])
        self.start(
            "second", [f"port {self.ports['second']}", *login, f"replicaof {HOST} {self.ports['first']}"]
        )
        eventually("the replica follows", lambda: self.follows("second"), 30)
        places = [self._start_sentinel(number, count) for number in range(count)]
        eventually("the Sentinels know each other", lambda: all(map(self._knows, places)), 30)
        hosts = ",".join(f"{HOST}:{port}" for port in places)
        login_ = f"sentinel_password={self.password}"
        return f"redis+sentinel://:{self.password}@{hosts}/0?master={MASTER}&{login_}"

    def client(self, name: str) -> redis.Redis:
        return redis.Redis(HOST, self.ports[name], password=self.password, socket_timeout=2)

    def follows(self, name: str) -> bool:
        try:
            return bool(self.client(name).info("replication").get("master_link_status") == "up")
        except redis.RedisError:
            return False

    def _start_sentinel(self, number: int, count: int) -> int:
        port = self.port()
        lines = [
            f"port {port}",
            f"requirepass {self.password}",
            f"sentinel sentinel-pass {self.password}",
            f"sentinel monitor {MASTER} {HOST} {self.ports['first']} {count // 2 + 1}",
            f"sentinel auth-pass {MASTER} {self.password}",
            f"sentinel down-after-milliseconds {MASTER} 1000",
            f"sentinel failover-timeout {MASTER} 5000",
        ]
        self.start(f"sentinel-{number}", lines, "--sentinel")
        self._sentinels = count
        return port

    def _knows(self, port: int) -> bool:
        try:
            with redis.Redis(HOST, port, password=self.password, socket_timeout=2) as client:
                found = client.sentinel_master(MASTER)
        except redis.RedisError:
            return False
        return bool(found["num-slaves"] == 1 and found["num-other-sentinels"] == self._sentinels - 1)
