"""A tuner and its project directory: what a search begins with there, and goes on with."""
