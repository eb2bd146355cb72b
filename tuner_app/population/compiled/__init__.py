"""The compiled programs: one trial's training step as a pure function, and the loops around it."""
