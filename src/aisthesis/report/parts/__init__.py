"""Parts of a report that hold tables, charts and words on one question."""
