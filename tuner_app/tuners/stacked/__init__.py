"""Searches whose trials are lanes of a stack."""
