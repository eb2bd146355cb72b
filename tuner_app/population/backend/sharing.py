"""Operations that a TensorFlow graph has already are not added to it again.

Each variable's update computes the same bias corrections, each broadcast of a lane's number to a
weight expands its shape anew, and what is converted to many lanes brings constants with it: half of
a stack's program says what was said before. XLA would find that out, after Python had taken the
time to write it down.

Only operations without state are shared, and none of those that layers, losses and metrics compute
(see `apart`): Keras keeps notes on tensors, as of their masks.
"""

import contextlib

from tuner_app.population.backend.swapping import swapped

# What optimizers and schedules compute, and what `tf.vectorized_map` adds.
_PURE = frozenset(
    "Abs AddV2 BroadcastTo Cast ConcatV2 Const Cos Equal Exp ExpandDims Fill Floor GatherV2 "
    "Greater GreaterEqual Less Log Maximum Minimum Mul Neg OnesLike Pack Pow Range RealDiv Reshape "
    "Rsqrt SelectV2 Shape Sign Sqrt Square Squeeze StridedSlice Sub Sum Tile Transpose Unpack "
    "ZerosLike".split()
)
_MOST_BYTES = 1024  # of a constant that is compared with others
_apart = 0


@contextlib.contextmanager
def apart():
    """While open, every operation is added as if there were no other."""
    global _apart
    _apart += 1
    try:
        yield
    finally:
        _apart -= 1


@contextlib.contextmanager
def shared():
    """While open, an operation on the same tensors with the same attributes as one before it in its
    graph is that one."""
    from tensorflow.python.framework.func_graph import FuncGraph

    create = FuncGraph._create_op_internal
    graphs: dict[int, tuple] = {}

    def found_or_created(
        graph, op_type, inputs, dtypes=None, input_types=None, name=None, attrs=None, *rest, **more
    ):
        def created():
            return create(graph, op_type, inputs, dtypes, input_types, name, attrs, *rest, **more)

        described = None if _apart or op_type not in _PURE else _described(attrs)
        if described is None:
            return created()
        # With the graph and the inputs kept, no other object can have their ids meanwhile.
        _, known = graphs.setdefault(id(graph), (graph, {}))
        key = (op_type, tuple(map(id, inputs)), described)
        if key not in known:
            known[key] = created(), list(inputs)
        return known[key][0]

    with swapped([(FuncGraph, "_create_op_internal", found_or_created)]):
        yield


def _described(attributes) -> tuple | None:
    """An operation's attributes, to be compared; None if they are long."""
    attributes = attributes or {}
    if "value" in attributes and attributes["value"].ByteSize() > _MOST_BYTES:
        return None
    return tuple(sorted((name, a.SerializeToString()) for name, a in attributes.items()))
