"""Runs allocation_svc alone."""

from allocation_svc.composition import compose
from chassis.serving import run_process

run_process([compose])
