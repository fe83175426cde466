"""Adapters that tell when instances were last in use."""
