"""A study's maps and channels as pictures."""
