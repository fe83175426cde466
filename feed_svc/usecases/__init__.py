"""What can be done with the feed, one file per capability."""
