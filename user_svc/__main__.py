"""Runs user_svc in a process of its own."""

from chassis.starting import start

start("user_svc")
