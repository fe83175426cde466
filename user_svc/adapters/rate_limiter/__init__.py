"""Adapters of RateLimiter."""
