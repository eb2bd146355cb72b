"""A search whose trials are trained by several processes, on one machine or many.

One process, the `SearchService`, owns the project directory: it opens trials, writes what is
reported and ends them. Workers are `WorkerTuner`s, each a population of lanes on its own device;
they know the service by a handful of calls, whatever carries these (see `ray_engine`). Weights and
checkpoints are files below the project directory; a worker that does not see it under the same
path sends them to the owner (see `apart`).
"""
