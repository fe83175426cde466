"""Adapters of WebhookStore."""
