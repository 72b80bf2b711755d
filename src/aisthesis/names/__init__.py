"""Names that name things everywhere, and the table of explainers; nothing heavy is imported."""
