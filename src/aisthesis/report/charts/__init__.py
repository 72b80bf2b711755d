"""Charts of a report, drawn once for the page and for files."""
