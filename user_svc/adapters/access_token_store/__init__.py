"""Adapters of AccessTokenStore."""
