"""A study of ratings: inputs, stages and tables."""
