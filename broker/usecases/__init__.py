"""What can be done with the read models, one file per capability."""
