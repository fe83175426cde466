"""What a store makes of facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from chassis.bus import Record
from feed_svc.domain.facts import Fact
from feed_svc.domain.feed import Feed

RecordsOf = Callable[[Feed, Fact, datetime], Sequence[Record]]
"""Makes of a fact, of the feed after it, and of the present, what goes onto the bus."""
