"""Runs user_svc in a process of its own."""

from chassis.serving import run_process
from user_svc.composition import compose

run_process([compose])
