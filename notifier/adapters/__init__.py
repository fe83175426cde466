"""How the ports of notifier are met: a folder is a port, a file a technology."""
