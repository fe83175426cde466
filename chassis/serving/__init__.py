"""The life of a process: settings, telemetry, stores, peers, servicers, listen, ready, drain, stop."""

from chassis.serving.platform import Platform
from chassis.serving.process import Process, run_process
from chassis.serving.service import Service, Task, led
from chassis.serving.store import Store

__all__ = ["Platform", "Process", "Service", "Store", "Task", "led", "run_process"]
