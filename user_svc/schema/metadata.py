"""What holds the tables of user_svc together."""

from __future__ import annotations

from sqlalchemy import MetaData

METADATA = MetaData()
