"""One thread for each decomposition by LAPACK, on JAX and a CPU: blocks have threads of their own.

JAX decomposes matrices there by SciPy's OpenBLAS, whose threads wait for one another without rest:
an MLP of 256 units by Shampoo took 5 to 29 ms of processor time a lane and step on two cores that
others used too, and takes 2.5 ms so.
"""

import contextlib
import functools

from tuner_app.population.backend.vectorize import on_accelerator, on_jax


def in_one_thread():
    """A context in which a call of LAPACK keeps to the thread that it is made from."""
    if not on_jax() or on_accelerator():
        return contextlib.nullcontext()
    return _libraries().limit(limits=1, user_api="blas")


@functools.cache
def _libraries():
    import scipy.linalg.cython_lapack  # noqa: F401, that it is among them
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
