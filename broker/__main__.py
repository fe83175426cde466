"""Runs broker alone."""

from broker.composition import compose
from chassis.serving import run_process

run_process([compose])
