"""How everybody is told about dead letters."""
