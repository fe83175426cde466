"""Adapters of DeliveryStore."""
