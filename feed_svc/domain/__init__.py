"""Values and rules of the feed, in pure Python."""
