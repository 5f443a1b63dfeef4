"""Catalogue items as clients send them: their schema, what is wrong with one, and their pictures."""
