"""Where feeds are kept."""
