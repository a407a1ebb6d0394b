"""Structured logs: one JSON object a line on stderr, with the service's name."""

import logging
import signal
import sys
import threading

import structlog

from drover_shared.settings import LogSettings

_usual_level = "INFO"


def configure(service: str, settings: LogSettings) -> None:
    """Set up structlog, and Python's own logging through it; called once, by an entry point."""

    def name_service(
        _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["service"] = service  # bound by hand: a thread does not inherit its parent's context
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        name_service,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer()
        if settings.format == "console"
        else structlog.processors.JSONRenderer()
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    _listen_for_debug(settings.level.upper())
    for noisy in ("httpx", "httpcore", "botocore", "boto3", "urllib3", "kombu", "amqp", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _listen_for_debug(usual: str) -> None:
    """SIGUSR1 turns debug on, and off again; asked of a process that runs, without a restart."""
    global _usual_level  # noqa: PLW0603 - a process has one root logger, and one level to come back to
    _usual_level = usual
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR1, lambda *_: toggle_debug())


def toggle_debug() -> None:
    """From the usual level to debug, or back."""
    root = logging.getLogger()
    level = _usual_level if root.level == logging.DEBUG else "DEBUG"
    root.setLevel(level)
    get_logger("drover.logging").warning("log_level_changed", now=level.lower())


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose events carry `name`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
