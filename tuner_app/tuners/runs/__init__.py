"""What one run of a trial is, however it is trained: what it was given, what came of it."""
