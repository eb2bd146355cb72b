"""How many lanes, if any: what training would take, estimated and timed."""
