"""allocation_svc: admission, life cycle, port leases and quotas of what people rent."""
