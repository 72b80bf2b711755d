"""Studies from configuration to report: what both kinds share, and each kind."""
