"""The tables, as an adapter would know them."""

from __future__ import annotations

from sqlalchemy import MetaData

from chassis.bus.outbox import outbox_table

METADATA = MetaData()
OUTBOX = outbox_table(METADATA)
