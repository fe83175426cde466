"""Adapters of whoever is told what the reconciler does."""
