"""A real PgBouncer in transaction mode before the tests' PostgreSQL; only where the program is installed."""

import os
import random
import shutil
import socket
from pathlib import Path

import psycopg2
from drover_cli.local.ports import choose_port
from drover_cli.local.process import Child, Program, wait_until
from drover_cli.local.servers import HOST, USER

from support.servers import StackServers

PROGRAM = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
SERVER_CONNECTIONS = 6  # for all services together: far fewer than theirs, so that transactions change places
# What docs/operations/operating.md says to set; the session's options are the role's instead.
_CONFIG = """
[databases]
* = host={host} port={server} user={user} password={password}
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = any
admin_users = {user}
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
ignore_startup_parameters = options,extra_float_digits
user = {account}
"""
ROLE_SETTINGS = ("timezone = 'UTC'", "idle_in_transaction_session_timeout = '30s'")


class PgBouncer:
    """Runs until `stop`; `port` is where clients connect."""

    def __init__(self, folder: Path, servers: StackServers) -> None:
        assert PROGRAM is not None
        folder.mkdir()
        for setting in ROLE_SETTINGS:
            servers.sql(f"ALTER ROLE {USER} SET {setting}")
        self._servers = servers
        self.port = choose_port(None, set(servers.ports.values()), random.Random())
        config = folder / "pgbouncer.ini"
        config.write_text(
            _CONFIG.format(
                host=HOST,
                server=servers.ports["postgres"],
                user=USER,
                password=servers.password,
                port=self.port,
                size=SERVER_CONNECTIONS,
                account="postgres" if os.geteuid() == 0 else "",  # it refuses to be root
            )
        )
        self._child = Child(Program("pgbouncer", [PROGRAM, str(config)], folder / "pgbouncer.log"))
        wait_until(self._answers, self._child, 30)

    def pools(self, database: str) -> dict[str, str]:
        """The row of SHOW POOLS of a database: server and client connections, and the mode."""
        connection = psycopg2.connect(host=HOST, port=self.port, user=USER, dbname="pgbouncer")
        try:
            connection.autocommit = True  # its console knows no transaction
            with connection.cursor() as cursor:
                cursor.execute("SHOW POOLS")
                names = [column.name for column in cursor.description or ()]
                rows = [dict(zip(names, map(str, row), strict=True)) for row in cursor.fetchall()]
        finally:
            connection.close()
        [found] = [row for row in rows if row["database"] == database]
        return found

    def stop(self) -> None:
        self._child.stop()

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0
