"""Tables and migrations of docker_svc."""

HEAD = "0001"
"""The newest revision."""
