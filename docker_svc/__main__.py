"""Runs docker_svc alone."""

from chassis.starting import start

start("docker_svc")
