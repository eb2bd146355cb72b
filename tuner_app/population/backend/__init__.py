"""What TensorFlow and JAX say differently, and how their functions are replaced for a while."""
