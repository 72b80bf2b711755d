"""What a study records of the code and the libraries that computed it."""
