"""A search at an address, such as s3://bucket/digits: it runs in a directory here, copied there.

A database needs a disk, so a search never runs at an address itself. What has changed in its
directory, tuning/NAME, is copied every half a minute and at the end: weights, logs, checkpoints and
a consistent copy of the database. If this machine is lost, `resume ADDRESS` elsewhere goes on from
the last copy. Whatever fsspec knows is an address; most kinds need a package of their own, which
the message names.

The note `search.copy.json`, in both places, tells which search it is and how far it was copied.
"""

from tuner_app.remote.address import address_of, begun, for_reading, is_address, resumed

__all__ = ["address_of", "begun", "for_reading", "is_address", "resumed"]
