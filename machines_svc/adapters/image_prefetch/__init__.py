"""Fetching images ahead of their use."""
