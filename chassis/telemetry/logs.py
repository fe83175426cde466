"""Structured logs."""

from __future__ import annotations

import logging
import logging.handlers
import sys
from pathlib import Path
from typing import Any

import orjson
import structlog

_LARGEST_FILE_BYTES = 16 << 20
_FORMER_FILES = 3


def _render(_logger: Any, _name: str, event: structlog.typing.EventDict) -> str:
    """One line of JSON; what JSON cannot say is said by its text."""
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def configure_logs(level: str, file: Path | None = None) -> None:
    """Sends every log line, also of libraries, to one place as JSON.

    Args:
        level: the least important lines that are kept, `info`.
        file: the file to append to; standard error by default.
    """
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            file, maxBytes=_LARGEST_FILE_BYTES, backupCount=_FORMER_FILES, encoding="utf-8"
        )
    stamps: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
    ]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *stamps],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render],
        )
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(handlers=[handler], level=number, force=True)
    for chatty in ("uvicorn.access", "aiosqlite", "alembic", "asyncio"):
        logging.getLogger(chatty).setLevel(max(number, logging.WARNING))
    structlog.configure(
        processors=[*stamps, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def log(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a service or a room; its lines carry the name as `source`."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger(name, source=name)
    return bound
