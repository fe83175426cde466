"""Adapters of FailureDelays."""
