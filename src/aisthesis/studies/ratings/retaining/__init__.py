"""Which channels to keep, and whether that predicts better."""
