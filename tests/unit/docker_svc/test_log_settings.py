"""The settings of logs."""

from __future__ import annotations

import pytest

from chassis.settings import SettingsInvalid, load_settings
from docker_svc.adapters.log_journal.files import JournalLimits
from docker_svc.adapters.log_source.tail import SourceLimits
from docker_svc.composition import journal_limits, log_limits, source_limits
from docker_svc.settings import Settings
from docker_svc.usecases.logs import LogLimits


def load(**values: str) -> Settings:
    environment = {f"ALLOCATOR_DOCKER_{name.upper()}": value for name, value in values.items()}
    return load_settings(environment, [Settings]).of(Settings)


def test_nothing_set_is_what_the_log_path_does_by_itself() -> None:
    settings = load()
    assert journal_limits(settings) == JournalLimits()
    assert source_limits(settings) == SourceLimits()
    assert log_limits(settings) == LogLimits()


def test_what_is_set_is_what_the_log_path_does() -> None:
    settings = load(
        journal_log_bytes="1000000", journal_segment_bytes="100000", journal_total_bytes="5000000",
        journal_days="0.5", journal_sweep_seconds="60", log_line_bytes="200", log_batch_bytes="8192",
        log_batch_seconds="0.05", log_first_retry_seconds="1", log_last_retry_seconds="2",
        log_recent_bytes="70000", log_read_bytes="80000", log_handed_entries="9", log_probes="11",
    )  # fmt: skip
    assert journal_limits(settings) == JournalLimits(1_000_000, 43_200.0, 5_000_000, 100_000)
    assert source_limits(settings) == SourceLimits(200, 8192, 0.05, 1.0, 2.0)
    assert log_limits(settings) == LogLimits(
        recent_bytes=70_000,
        read_bytes=80_000,
        sweep_seconds=60.0,
        handed_entries=9,
        probes=11,
    )


@pytest.mark.parametrize("size", ["10m", "10000k", "11m", "1g"])
def test_logs_of_containers_of_10_megabytes_and_more_are_possible(size: str) -> None:
    assert load(container_log_size=size).container_log_size == size


@pytest.mark.parametrize("size", ["9m", "9999k", "1k"])
def test_smaller_logs_of_containers_are_refused_because_lines_would_be_lost(size: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load(container_log_size=size)
    assert f"ALLOCATOR_DOCKER_CONTAINER_LOG_SIZE: Value error, {size} is less" in str(caught.value)
    assert "lose lines without a word (see docs/decisions/0006)" in str(caught.value)


@pytest.mark.parametrize("size", ["", "0m", "10", "10M", "-10m", "10mb"])
def test_what_is_no_size_is_refused(size: str) -> None:
    with pytest.raises(SettingsInvalid, match="CONTAINER_LOG_SIZE"):
        load(container_log_size=size)


def test_a_segment_larger_than_a_log_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match=r"SEGMENT_BYTES: .* kept of a log, 65536 bytes"):
        load(journal_log_bytes="65536", journal_segment_bytes="65537")


def test_waiting_less_and_less_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match=r"LAST_RETRY_SECONDS: .* first retry, 3\.0 seconds"):
        load(log_first_retry_seconds="3", log_last_retry_seconds="2")
