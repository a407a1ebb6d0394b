"""What an operator says about containers (every variable stands in deploy/env.example)."""

from dataclasses import dataclass

from drover_shared.settings import Environment

ANY_ENGINE, PODMAN, DOCKER = "any", "podman", "docker"


@dataclass(frozen=True, slots=True)
class ContainerSettings:
    """Limits of one run; 0 is no limit. `image` is for jobs that name no execution environment.

    `network` is the engine's own word: empty for its default, `none`, `host`, or a network's name.
    """

    engine: str = ANY_ENGINE
    image: str = ""
    network: str = ""
    memory_mb: int = 2048
    cpus: float = 0.0
    pids: int = 1024
    pull_seconds: float = 900.0

    @classmethod
    def read(cls, env: Environment) -> "ContainerSettings":
        """Raises SettingsError."""
        return cls(
            engine=env.choice("DROVER_EXECUTOR_ENGINE", ANY_ENGINE, (ANY_ENGINE, PODMAN, DOCKER)),
            image=env.text("DROVER_EXECUTOR_IMAGE", "").strip(),
            network=env.text("DROVER_EXECUTOR_NETWORK", "").strip(),
            memory_mb=env.integer("DROVER_EXECUTOR_MEMORY_MB", 2048, 0, 10_000_000),
            cpus=env.number("DROVER_EXECUTOR_CPUS", 0, 0, 10_000),
            pids=env.integer("DROVER_EXECUTOR_PIDS", 1024, 0, 10_000_000),
            pull_seconds=env.number("DROVER_EXECUTOR_PULL_SECONDS", 900, 1, 86400),
        )
