"""Lanes: who is in them, by which program they run, and whether it is right."""
