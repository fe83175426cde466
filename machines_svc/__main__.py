"""Runs machines_svc alone."""

from chassis.starting import start

start("machines_svc")
