"""Renting through the edge, over TLS, by REST, gRPC and WebSocket: the scenarios of tests/mesh."""

from __future__ import annotations

import pytest
from test_renting import (
    test_a_log_is_watched_live_and_resumed_without_a_hole,
    test_a_person_rents_reaches_stops_starts_restarts_and_removes,
    test_another_persons_allocation_is_not_found_anywhere,
    test_the_same_by_grpc,
    test_the_same_by_the_command_line,
    test_watching_over_http_brings_each_change,
)

pytestmark = pytest.mark.real_nginx

__all__ = [
    "test_a_log_is_watched_live_and_resumed_without_a_hole",
    "test_a_person_rents_reaches_stops_starts_restarts_and_removes",
    "test_another_persons_allocation_is_not_found_anywhere",
    "test_the_same_by_grpc",
    "test_the_same_by_the_command_line",
    "test_watching_over_http_brings_each_change",
]
