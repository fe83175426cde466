"""What is measured, against what a user would otherwise have, in the same run.

`python -m benchmarks` runs all of it and prints a table; `python -m benchmarks calls logs` runs some.
Each figure is a ratio to its yardstick, taken in alternating pairs, since the speed of a machine drifts.
"""
