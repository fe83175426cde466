"""What is still on the bus."""
