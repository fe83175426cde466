"""Runs broker alone."""

from chassis.starting import start

start("broker")
