"""Runs notifier in a process of its own."""

from chassis.starting import start

start("notifier")
