"""Adapters that measure what shows that instances are in use."""
