"""Stores of the directory."""
