"""The few things that TensorFlow and JAX say differently: over lanes, over steps, compiled."""

import contextlib
import functools
import re

import keras
import numpy as np
from keras import tree
from keras.backend import standardize_dtype

from tuner_app.population.backend.reason import reason
from tuner_app.population.errors import CannotStack


def on_jax() -> bool:
    backend = keras.backend.backend()
    if backend not in ("tensorflow", "jax"):
        raise CannotStack(f"the {backend} backend has no stacked form")
    return backend == "jax"


def on_accelerator() -> bool:
    if on_jax():
        import jax

        return jax.default_backend() != "cpu"
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU"))


def over_lanes(function, arguments: tuple, native: bool):
    """`function(*lane's arguments)` for every lane of the leading axis of `arguments`.

    With native=True there is one lane only, and the function runs on it as it is, so that the
    backend's own kernels are used.
    """
    if native:
        outputs = function(*tree.map_structure(lambda a: a[0], arguments))
        return tree.map_structure(lambda a: keras.ops.expand_dims(a, 0), outputs)
    if on_jax():
        import jax

        return jax.vmap(function)(*arguments)
    import tensorflow as tf

    # A fallback to a loop over lanes would be a silent slowdown: it is an error instead.
    return tf.vectorized_map(lambda a: function(*a), arguments, fallback_to_while_loop=False)


def repeat(count, body, state):
    """state after `state = body(i, state)` for i in 0 .. count - 1; count may be a tensor."""
    if on_jax():
        import jax

        return jax.lax.fori_loop(0, count, body, state)
    import tensorflow as tf

    _, state = tf.while_loop(
        lambda i, _: i < count, lambda i, s: (i + 1, body(i, s)), (tf.constant(0), state)
    )
    return state


def outside_of_tracing():
    """A context in which what is computed is no part of a function being traced."""
    if on_jax():
        import jax

        return jax.ensure_compile_time_eval()
    import tensorflow as tf

    return tf.init_scope()


def compiled(function, xla: bool, donate: bool = False, often: bool = False):
    """`function` of nested tensors, compiled; its first argument is overwritten if donate.

    Args:
        often: whether it runs so often that a tenth of its time is worth compiling for longer.
    """
    if on_jax():
        import jax

        # By default XLA takes half of the processor's widest registers. (A step of a CNN at 8 by 8
        # in 25 lanes: 370 µs a lane instead of 440; of an MLP 64 instead of 66.)
        wide = {"xla_cpu_prefer_vector_width": 512} if often and not on_accelerator() else None
        donated = (0,) if donate else ()
        return jax.jit(function, donate_argnums=donated, compiler_options=wide)
    import tensorflow as tf

    # A partial is a function of its own to TensorFlow, which otherwise counts every stack's
    # first trace as a retrace of the last one's and warns.
    return tf.function(functools.partial(function), jit_compile=xla, autograph=False)


def rows(array, index):
    """array[index] along the first axis; index may be a tensor of any shape."""
    if on_jax():
        return array[index]
    import tensorflow as tf

    return tf.gather(array, index)


def lanes_of(arrays, lanes: np.ndarray):
    """The rows `lanes` of arrays that follow one another along the first axis."""
    if _host_is_device():
        whole = [np.asarray(array) for array in arrays]
        return to_device(np.concatenate(whole)[lanes])
    whole = arrays[0] if len(arrays) == 1 else keras.ops.concatenate(arrays, 0)
    return rows(whole, to_device(lanes))


def span(array, start, size: int):
    """array[start : start + size], start being a tensor."""
    if on_jax():
        import jax

        return jax.lax.dynamic_slice_in_dim(array, start, size)
    import tensorflow as tf

    begin = tf.concat([[start], tf.zeros([len(array.shape) - 1], tf.int32)], 0)
    return tf.slice(array, begin, [size, *array.shape[1:]])


def to_device(array):
    """The NumPy array in memory of the device's own."""
    if on_jax():
        import jax

        return jax.device_put(array, may_alias=False)  # `asarray` compiles something a shape
    import tensorflow as tf

    return tf.constant(array)


def done(outputs):
    """Nested tensors, once they are there."""
    if on_jax():
        import jax

        return jax.block_until_ready(outputs)
    return outputs


def copied(array):
    """The array in memory of its own, where a compiled function may overwrite its arguments."""
    if _host_is_device():
        return to_device(np.asarray(array))
    if on_jax():
        import jax.numpy as jnp

        return jnp.array(array, copy=True)
    return array


def to_host(array) -> np.ndarray:
    return np.asarray(array)


def row(stacked, lane: int) -> np.ndarray:
    """One lane's row on the host, in memory of its own."""
    if _host_is_device():
        return np.array(np.asarray(stacked)[lane])
    return np.array(stacked[lane])


def _host_is_device() -> bool:
    """Whether NumPy reads JAX's arrays where they are, and so does at once, without a copy, what
    would be compiled on the device for each shape."""
    return on_jax() and not on_accelerator()


def put(stacked, lanes: np.ndarray, values: np.ndarray):
    """`stacked` with the rows `lanes` replaced by `values`."""
    if len(lanes) == len(stacked) and (lanes == np.arange(len(lanes))).all():
        return to_device(values.astype(standardize_dtype(stacked.dtype)))
    if _host_is_device():
        # No copy takes as long as compiling a scatter for each shape and each length.
        array = np.array(stacked)
        array[lanes] = values
        return to_device(array)
    if on_jax():
        # A length that repeats keeps JAX from compiling once a length: the last row is written
        # again as often as needed.
        width = 1 << (len(lanes) - 1).bit_length()
        pad = width - len(lanes)
        lanes = np.concatenate([lanes, np.repeat(lanes[-1:], pad)])
        values = np.concatenate([values, np.repeat(values[-1:], pad, axis=0)])
        return stacked.at[lanes].set(values)
    import tensorflow as tf

    return tf.tensor_scatter_nd_update(
        stacked, tf.constant(lanes[:, None].astype("int32")), tf.constant(values)
    )


@contextlib.contextmanager
def exact_reason():
    """Turns a backend's refusal to vectorize or compile into CannotStack, with the reason."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise CannotStack(reason(error)) from error


# XLA's and TensorFlow's code, and what CUDA and its libraries say of an allocation.
_OUT_OF_MEMORY = re.compile(
    "resource.?exhausted|out.of.memory|alloc_failed|allocation failed|failed to allocate", re.I
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the host or the device had too little memory.

    >>> is_out_of_memory(RuntimeError("INTERNAL: cuBLAS: CUBLAS_STATUS_ALLOC_FAILED"))
    True
    """
    text = f"{type(error).__name__} {error}"
    return isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(text) is not None
