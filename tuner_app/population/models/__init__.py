"""Models built for their configuration and initial values, sooner than Keras builds them."""
