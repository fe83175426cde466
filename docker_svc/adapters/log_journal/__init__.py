"""Adapters of the port `LogJournal`."""
