"""Whether maps are right: against masks, people, and their own network."""
