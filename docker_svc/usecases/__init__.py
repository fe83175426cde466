"""The capabilities of docker_svc."""
