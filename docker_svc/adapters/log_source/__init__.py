"""Adapters of the port `LogReader`, and the sources that it reads."""
