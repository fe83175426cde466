"""What the runtime of this installation can run."""
