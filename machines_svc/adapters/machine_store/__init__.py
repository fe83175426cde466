"""Stores of machines."""
