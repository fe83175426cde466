"""Adapters of PreferenceStore."""
