"""Adapters of CodeDelivery."""
