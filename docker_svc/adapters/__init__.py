"""Adapters: one folder for each port, one file for each technology."""
