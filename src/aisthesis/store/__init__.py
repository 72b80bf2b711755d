"""A study's folder: its files, its ledger, its arrays in chunks, and who may write."""
