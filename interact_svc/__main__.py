"""Runs the service alone."""

from chassis.starting import start

start("interact_svc")
