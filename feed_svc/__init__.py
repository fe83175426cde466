"""What people say of machines."""
