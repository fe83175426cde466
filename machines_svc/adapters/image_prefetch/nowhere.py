"""Fetching no image ahead, where that is switched off."""

from __future__ import annotations


class NoImagePrefetch:
    """Leaves images to be fetched when they are first needed."""

    def ask(self, image: str) -> None:
        """Does nothing."""
