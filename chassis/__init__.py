"""What carries a service and knows none.

A module may live here if two services use it and it knows no machine, user or allocation.
"""
