"""Adapters of `NodeRoster`: one host, and the nodes of a Swarm."""
