"""Sentences of a report, each said only if the numbers support it."""
