"""Runs notifier in a process of its own."""

from chassis.serving import run_process
from notifier.composition import compose

run_process([compose])
