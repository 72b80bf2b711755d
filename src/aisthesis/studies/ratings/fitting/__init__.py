"""From images and ratings to fitted heads, predictions and their scores."""
