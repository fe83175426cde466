"""Runs feed_svc alone."""

from chassis.serving import run_process
from feed_svc.composition import compose

run_process([compose])
