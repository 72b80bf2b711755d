"""Scores of channels and places from what removing them does, and what is kept by them."""
