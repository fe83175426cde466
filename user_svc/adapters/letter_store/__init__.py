"""Adapters of LetterStore."""
