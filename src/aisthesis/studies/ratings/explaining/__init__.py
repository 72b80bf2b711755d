"""From fitted heads to scores and maps of every kind."""
