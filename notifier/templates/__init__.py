"""The words of each kind of message, a file for each."""
