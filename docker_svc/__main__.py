"""Runs docker_svc alone."""

from chassis.serving import run_process
from docker_svc.composition import compose

run_process([compose])
