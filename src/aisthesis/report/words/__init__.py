"""How a report says numbers, colours, metrics and pairs."""
