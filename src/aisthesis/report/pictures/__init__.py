"""Photographs and maps as pictures, for pages and files."""
