"""What a study of ratings starts from."""
