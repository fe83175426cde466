"""Runs allocation_svc alone."""

from chassis.starting import start

start("allocation_svc")
