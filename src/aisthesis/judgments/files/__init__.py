"""Files of judgments, of any kind, as tables and matrices of text and numbers."""
