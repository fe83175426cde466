"""What others make of machines, beside the machines."""
