"""What a report reads of a folder: tables, maps, and which rows it is about."""
