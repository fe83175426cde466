"""Adapters of AccountStore."""
