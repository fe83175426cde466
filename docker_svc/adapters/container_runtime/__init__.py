"""Adapters of the port `ContainerRuntime`; each is imported only when it is chosen."""
