"""What trials must have in common to share a program, and the numbers that may differ."""
