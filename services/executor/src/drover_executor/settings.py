"""What an executor is told by its environment (every variable stands in deploy/env.example)."""

import socket
from dataclasses import dataclass, field
from pathlib import Path

from drover_shared.settings import Environment, HealthSettings, LogSettings

from drover_executor.containers.settings import ContainerSettings

HTTP, QUEUE = "http", "queue"
NO_ISOLATION, CONTAINER, REQUIRE = "none", "container", "require"


@dataclass(frozen=True, slots=True)
class ExecutorSettings:
    """`mode`: queue (Redis) or http (the API alone); times in seconds.

    `reserve_bytes`: what output must leave free on the disk; a playbook waits where it would not.
    `local_roots`: folders under which local projects, `file://` repositories and inventory files may lie.
    `git_depth`: commits of history that are fetched, 0 for all. `ca_file`: whom git trusts, empty for the
    system's own. `known_hosts`: the SSH hosts that git may speak to; empty for any, whose key is then kept.
    `project_mb`, `output_mb`: the most that a checkout holds and that a playbook prints; 0 is no limit.
    `isolation`: none runs playbooks as this process's user; container in containers, where an engine is here;
    require refuses to start without one.
    """

    api_url: str
    registration_token: str = field(repr=False)
    redis_url: str = field(repr=False)
    name: str
    pools: tuple[str, ...]
    slots: int
    folder: Path
    mode: str
    isolation: str
    containers: ContainerSettings
    drain_seconds: float
    git_seconds: float
    reserve_bytes: int
    git_depth: int
    project_mb: int
    output_mb: int
    ca_file: str
    known_hosts: str
    local_roots: tuple[Path, ...]
    log: LogSettings
    health: HealthSettings

    @classmethod
    def read(cls, env: Environment) -> "ExecutorSettings":
        """Raises SettingsError."""
        mode = env.choice("DROVER_EXECUTOR_MODE", QUEUE, (QUEUE, HTTP))
        roots = env.text("DROVER_EXECUTOR_LOCAL_ROOTS", ",")
        return cls(
            api_url=env.text("DROVER_API_URL"),
            registration_token=env.text("DROVER_REGISTRATION_TOKEN"),
            redis_url=env.text("DROVER_REDIS_URL") if mode == QUEUE else "",
            name=env.text("DROVER_EXECUTOR_NAME", socket.gethostname()),
            pools=env.words("DROVER_EXECUTOR_POOLS", "default"),
            slots=env.integer("DROVER_EXECUTOR_SLOTS", 2, 1, 1000),
            folder=Path(env.text("DROVER_EXECUTOR_DIR")).absolute(),
            mode=mode,
            isolation=env.choice(
                "DROVER_EXECUTOR_ISOLATION", NO_ISOLATION, (NO_ISOLATION, CONTAINER, REQUIRE)
            ),
            containers=ContainerSettings.read(env),
            drain_seconds=env.number("DROVER_EXECUTOR_DRAIN_SECONDS", 8, 0, 86400),
            git_seconds=env.number("DROVER_EXECUTOR_GIT_SECONDS", 600, 1, 86400),
            reserve_bytes=env.integer("DROVER_EXECUTOR_RESERVE_MIB", 256, 0, 2**20) * 1024 * 1024,
            git_depth=env.integer("DROVER_EXECUTOR_GIT_DEPTH", 0, 0, 1_000_000),
            project_mb=env.integer("DROVER_EXECUTOR_PROJECT_MB", 10_000, 0, 10_000_000),
            output_mb=env.integer("DROVER_EXECUTOR_OUTPUT_MB", 50_000, 0, 100_000_000),
            known_hosts=env.text("DROVER_EXECUTOR_KNOWN_HOSTS", ""),
            ca_file=env.text("DROVER_EXECUTOR_CA_FILE", ""),
            local_roots=tuple(Path(root.strip()).resolve() for root in roots.split(",") if root.strip()),
            log=LogSettings.read(env),
            health=HealthSettings.read(env),
        )
