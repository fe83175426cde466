"""Tables and migrations of docker_svc."""

HEAD = "0002"
"""The newest revision."""
