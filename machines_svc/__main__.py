"""Runs machines_svc alone."""

from chassis.serving import run_process
from machines_svc.composition import compose

run_process([compose])
