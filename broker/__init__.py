"""What is known of everything from facts: read models for those who may not ask each owner."""
