"""Fitting the networks: text, image, their fusion, and what teaches the text network."""
