"""What notifier can do, one file per capability."""
