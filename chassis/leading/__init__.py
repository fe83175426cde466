"""Which replica of a service does what only one may do at a time: publish its facts, reconcile, sweep."""

from chassis.leading.leadership import Leadership, Replica
from chassis.leading.port import Lease, LeaseLost, Leases

__all__ = ["Leadership", "Lease", "LeaseLost", "Leases", "Replica"]
