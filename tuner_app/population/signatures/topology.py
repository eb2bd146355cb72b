"""How the layers of a model are connected, as a hashable value."""

import keras
from keras import tree


def topology(model, visit) -> tuple:
    """The graph of a functional model, or the order of a sequential one's layers.

    Args:
        visit: function that describes a layer or a value, see `walk`.
    """
    if isinstance(model, keras.Sequential):
        return (
            "sequential",
            tuple(tuple(i.shape) for i in model.inputs),
            *(visit(layer) for layer in model.layers),
        )
    if not hasattr(model, "_nodes"):
        return ("subclass", *(visit(layer) for layer in model._layers))
    order = {id(operation): i for i, operation in enumerate(model._operations)}

    def place(x):
        if not isinstance(x, keras.KerasTensor):
            return visit(x)
        history = x._keras_history
        return (
            "from",
            order.get(id(history.operation)),
            history.node_index,
            history.tensor_index,
        )

    used = {id(node) for nodes in model._nodes_by_depth.values() for node in nodes}
    graph = []
    for operation in model._operations:
        calls = []
        for node in operation._inbound_nodes:
            if id(node) in used:
                arguments = (node.arguments.args, node.arguments.kwargs)
                calls.append(tuple(repr(place(a)) for a in tree.flatten(arguments)))
        shape = (
            tuple(operation.output.shape)
            if not operation._inbound_nodes[0].arguments.keras_tensors
            else ()
        )
        graph.append((visit(operation), shape, tuple(calls)))
    outputs = tuple(repr(place(x)) for x in tree.flatten(model._outputs_struct))
    inputs = tuple(repr(place(x)) for x in tree.flatten(model._inputs_struct))
    return ("functional", tuple(graph), inputs, outputs)
