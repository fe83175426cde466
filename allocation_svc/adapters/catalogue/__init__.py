"""Adapters of the catalogue of machines."""
