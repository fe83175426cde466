"""Stores of timelines and of what admins did."""
