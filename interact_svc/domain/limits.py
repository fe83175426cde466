"""How much a console may ask for, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """As in the settings, which say why each is what it is."""

    consoles_per_person: int
    consoles_per_allocation: int
    frames_per_second: int
    max_frame_bytes: int
    max_line_bytes: int
    buffer_bytes: int
    slow_reader_lines: int
    heartbeat_seconds: float
    auth_seconds: float
    expiry_warning_seconds: float
