"""TensorBoard without TensorFlow: curves, HParams and pictures of a search, and the server."""
