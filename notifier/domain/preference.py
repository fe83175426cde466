"""What a person wants to be told, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from notifier.domain.kind import Kind


class Way(Enum):
    """How a notice reaches a person."""

    IN_PAGE = "IN_PAGE"
    EMAIL = "EMAIL"
    SMS = "SMS"
    WEBHOOK = "WEBHOOK"


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds of a kind for everybody who has chosen nothing.

    Attributes:
        about: what such a notice tells, in a sentence.
        by_default: the ways beside the page and the person's webhooks, which always are among them.
        for_admins: whether it is told to admins only.
    """

    about: str = ""
    by_default: frozenset[Way] = frozenset()
    for_admins: bool = False

    def ways(self, *, own_doing: bool = False) -> frozenset[Way]:
        """The ways by default: what a person has done themselves is not written to them."""
        always = frozenset({Way.IN_PAGE, Way.WEBHOOK})
        return always if own_doing else always | self.by_default


@dataclass(frozen=True, slots=True)
class Preferences:
    """What one person has chosen.

    Attributes:
        user: whose, `users/…`.
        chosen: by kind, what was chosen of each way; what is not there is as by default.
        version: counts the changes, from 0.
        update_time: None where nothing was ever chosen.
    """

    user: str
    chosen: Mapping[Kind, Mapping[Way, bool]] = field(default_factory=dict)
    version: int = 0
    update_time: datetime | None = None

    def ways(self, kind: Kind, rule: Rule, *, own_doing: bool = False) -> frozenset[Way]:
        """How a notice of a kind reaches the person.

        Args:
            kind: which.
            rule: what holds where nothing was chosen.
            own_doing: whether the person has done themselves what it tells of.
        """
        chosen = self.chosen.get(kind, {})
        default = rule.ways(own_doing=own_doing)
        return frozenset(way for way in Way if chosen.get(way, way in default))

    def with_choices(
        self, changes: Mapping[Kind, Mapping[Way, bool]]
    ) -> Mapping[Kind, Mapping[Way, bool]]:
        """What is chosen after a change; the kinds that it does not name stay as they are."""
        return {**self.chosen, **changes}
