"""Trials trained by Keras's own `fit`, in an order of their own, and kept amid it."""
