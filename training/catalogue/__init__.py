"""The catalogue's files as checked products and pictures: reading, merging labels, duplicates, quality."""
