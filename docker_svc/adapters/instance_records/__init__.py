"""Adapters of the port `InstanceRecords`."""
