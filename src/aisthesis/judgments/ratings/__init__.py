"""Ratings of single images: layouts, votes and choices, noise ceilings, splits."""
