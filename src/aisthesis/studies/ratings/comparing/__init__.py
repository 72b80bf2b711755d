"""Tables that compare networks', methods' and ensembles' maps."""
