"""Reading logs and statistics from docker_svc."""
