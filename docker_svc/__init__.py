"""docker_svc: runs instances, and is the only service that touches a container engine."""
