"""The machines that a new installation begins with, one file each, in the contract's words."""
