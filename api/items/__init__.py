"""Catalogue items as clients send them: their schema, their validation and their pictures."""
