"""Adapters of WebhookChannel."""
