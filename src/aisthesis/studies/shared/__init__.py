"""What studies of both kinds share."""
