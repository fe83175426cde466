"""What the ports are made of; folder = port, file = technology."""
