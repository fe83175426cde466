"""How the ports of user_svc are met: a folder is a port, a file a technology."""
