"""Messages say amounts as people do, and never as the store has them."""

from __future__ import annotations

import pytest

from allocation_svc.domain.capacity import AMOUNTS
from allocation_svc.domain.faults import CapacityExhausted, NeverFits, QuotaExceeded
from allocation_svc.domain.spoken import KINDS, of_bytes, quantity


def test_every_amount_has_a_word() -> None:
    assert tuple(KINDS) == AMOUNTS


@pytest.mark.parametrize(
    ("amount", "count", "said"),
    [
        ("cpu_millis", 1000, "1 core"),
        ("cpu_millis", 250, "0.25 cores"),
        ("memory_bytes", 512 << 20, "512.0 MiB"),
        ("disk_bytes", 3 << 40, "3.0 TiB"),
        ("disk_bytes", 12, "12 bytes"),
        ("instances", 3, "3"),
    ],
)
def test_amounts_are_said_in_the_units_of_people(amount: str, count: int, said: str) -> None:
    assert quantity(amount, count) == said


def test_bytes_above_the_largest_unit_stay_in_it() -> None:
    assert of_bytes(5000 << 40) == "5000.0 TiB"


@pytest.mark.parametrize("amount", AMOUNTS)
def test_no_message_names_a_field(amount: str) -> None:
    for fault in (
        CapacityExhausted(amount),
        NeverFits(amount, 4000, 1000, "capacity"),
        NeverFits("instances", 4, 1, "ports"),
        QuotaExceeded(4000, amount, 3000),
        QuotaExceeded(4000, amount),
    ):
        assert "_" not in fault.message, fault.message
        assert fault.message.endswith(".")


def test_what_never_fits_names_both_sides() -> None:
    fault = NeverFits("disk_bytes", 512 << 20, 40 << 20, "capacity")
    assert fault.message.startswith(
        "It needs 512.0 MiB of disk, but this installation has 40.0 MiB, so waiting"
    )
    assert NeverFits("instances", 4, 1, "ports").message.startswith("It needs 4 ports, but")
