"""Adapters of the wallets that allocations are paid from."""
