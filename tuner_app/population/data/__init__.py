"""In-memory examples on the device, and the order in which a trial sees them."""
