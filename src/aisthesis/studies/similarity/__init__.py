"""A study of similarity judgments: inputs, stages and tables."""
