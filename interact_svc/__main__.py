"""Runs the service alone."""

from chassis.serving import run_process
from interact_svc.composition import compose

run_process([compose])
