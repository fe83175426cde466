"""Runs feed_svc alone."""

from chassis.starting import start

start("feed_svc")
