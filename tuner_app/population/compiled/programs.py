"""A stack's compiled functions: many steps of all lanes, the last batch, and the epoch's close."""

import contextlib
import functools

import keras
import numpy as np
from keras import tree

from tuner_app.population.backend import sharing, vectorize
from tuner_app.population.backend.ahead import Ahead
from tuner_app.population.compiled import blocks, own_rule
from tuner_app.population.compiled.program import Program
from tuner_app.population.compiled.seam import seam
from tuner_app.population.data import held_out
from tuner_app.population.errors import CannotStack
from tuner_app.population.models.functional import functional_optimizers


class Programs:
    """A stack's compiled functions."""

    def __init__(self, stack):
        self.stack = stack
        for lifting in stack.liftings:
            lifting.restart_journal()
        self.program = Program(stack.model, stack.body, stack.train.structure)
        self.evaluation = stack.validation and Program(
            stack.model, stack.body, stack.validation.structure
        )
        self._compile(stack.xla)

    def _compile(self, xla: bool):
        self.xla, self._ahead, self._traced, self._used = xla, Ahead(), {}, set()
        # An epoch's tail is one step. It takes XLA as long to compile as all steps before it do,
        # and takes little longer without.
        only_step = not self.stack.epoch.full_steps
        self.functions = {
            "train": vectorize.compiled(self._train, xla, donate=True, often=True),
            "tail": vectorize.compiled(self._tail, xla and only_step, donate=True),
            "close": vectorize.compiled(self._close, xla),
        }

    def run(self, name: str, calls: list[tuple]) -> list:
        """What the function gives for each of `calls`, one for each block of lanes."""
        self._ahead.wait(name)
        try:
            return self._run(name, calls)
        except Exception as error:
            if not (self.xla and _refused_by_xla(error)):
                raise
        # The stack goes on without XLA, all of it, so that its numbers stay alike.
        self.stack.xla = False
        self.stack.stats.notes.append("without XLA: an operation has no XLA kernel")
        self.drop()
        self._compile(False)
        return self._run(name, calls)

    def _run(self, name, calls):
        function, first = self.functions[name], []
        with self._open():
            if name not in self._used:  # compiled by one thread alone
                first, calls = [function(*calls[0])], calls[1:]
                self._used.add(name)
            return [*first, *blocks.side_by_side(function, calls)]

    def _open(self):
        all_of_them = contextlib.ExitStack()
        all_of_them.enter_context(seam(self.stack.native))
        all_of_them.enter_context(functional_optimizers())
        if not vectorize.on_jax():
            all_of_them.enter_context(sharing.shared())
        return all_of_them

    def trace(self):
        """Traces all programs without running them, so that the journal is filled."""
        for name, function in self.functions.items():
            arguments = self._first_arguments(name)
            if arguments is None:
                continue
            with self._open():
                trace = function.trace if vectorize.on_jax() else function.get_concrete_function
                self._traced[name] = trace(*self._first_block(), *arguments)

    def compile_ahead(self):
        """Compiles the programs in other threads, in the order in which they will be needed.

        TensorFlow compiles when it first runs: on the first block, of which no result is used.
        """
        if not (self.xla or vectorize.on_jax()):
            return
        block = [tree.map_structure(lambda a: a, part) for part in self._first_block()]
        for name in ("train", "close", "tail"):
            if name in self._traced:
                arguments = (*block, *self._first_arguments(name))
                self._ahead.start(name, functools.partial(_compile, self._traced[name], arguments))

    def drop(self) -> None:
        """Compiles nothing more: others take their place, or the search ends."""
        self._ahead.drop()

    def _first_block(self) -> tuple[dict, dict]:
        return self.stack.arrays.blocks[0], self.stack.arrays.numbers[0]

    def _first_arguments(self, name):
        """Arguments of the shapes that `name` will be called with, or None if it never is."""
        stack = self.stack
        lanes, steps, batch = stack.width, stack.epoch.full_steps, stack.batch_size
        remainder = stack.train.an_epoch - steps * batch
        if name == "close":
            return (*self.held_out_arguments()[:1], vectorize.to_device(np.int32(0)))
        if name == "tail":
            index = np.zeros((lanes, remainder), "int32")
            return (stack.train.leaves, vectorize.to_device(index)) if remainder else None
        indices = np.zeros((min(stack.steps_per_call, steps), lanes, batch), "int32")
        arguments = (stack.train.leaves, vectorize.to_device(indices))
        return (*arguments, vectorize.to_device(np.int32(0))) if steps else None

    def held_out_arguments(self, at_most: int | None = None) -> tuple:
        """What "close" is given: the examples to evaluate on, and how many batches they are.

        Args:
            at_most: whole batches that are used; a smaller last one always is.
        """
        examples = self.stack.validation
        count = len(held_out.whole_batches(self.stack, at_most)) if examples else 0
        return examples.leaves if examples else [], vectorize.to_device(np.int32(count))

    def train(self, states: list[dict], numbers: list[dict], orders: list[np.ndarray]) -> list:
        """The states of some blocks after the batches `orders`, int32 of shape (steps, lanes,
        batch) each: at most as many as a call does. What was given must not be used any more."""
        most = min(self.stack.steps_per_call, self.stack.epoch.full_steps)
        steps, leaves = len(orders[0]), self.stack.train.leaves
        if steps < most:
            orders = [np.pad(order, [(0, most - steps), (0, 0), (0, 0)]) for order in orders]
        count = vectorize.to_device(np.int32(steps))
        each = zip(states, numbers, orders, strict=True)
        calls = [(s, n, leaves, vectorize.to_device(order), count) for s, n, order in each]
        return self.run("train", calls)

    def tail(self, states: list[dict], numbers: list[dict], orders: list[np.ndarray]) -> list:
        """The same after one smaller batch: int32 of shape (lanes, remainder)."""
        each, leaves = zip(states, numbers, orders, strict=True), self.stack.train.leaves
        return self.run("tail", [(s, n, leaves, vectorize.to_device(o)) for s, n, o in each])

    def close(self, states: list[dict], numbers: list[dict], at_most: int | None = None) -> tuple:
        """(the epoch's logs by name, learning rates), arrays over the lanes of these blocks, on
        the host; None instead of rates where no lane has a schedule.

        Args:
            at_most: as in `held_out_arguments`.
        """
        examples = self.held_out_arguments(at_most)
        each = zip(states, numbers, strict=True)
        found = self.run("close", [(*block, *examples) for block in each])
        logs, rates = zip(*found, strict=True)
        joined = {name: _on_host([columns[name] for columns in logs]) for name in logs[0]}
        return joined, None if rates[0] is None else _on_host(rates)

    def first_steps(
        self, states: list[dict], numbers: list[dict], orders: list[np.ndarray]
    ) -> list:
        """The states after the batches `orders`, however many; the given ones stay valid."""
        states = [tree.map_structure(vectorize.copied, state) for state in states]
        if not self.stack.epoch.full_steps:
            return self.tail(states, numbers, [order[0] for order in orders])
        width = min(self.stack.steps_per_call, self.stack.epoch.full_steps)
        for start in range(0, len(orders[0]), width):
            parts = [order[start : start + width] for order in orders]
            states = self.train(states, numbers, parts)
        return states

    def _train(self, state, numbers, leaves, indices, count):
        def step(i, state):
            return self._batch(state, numbers, leaves, indices[i])

        if indices.shape[0] == 1:  # without a loop, in which XLA's convolutions are slow on a CPU
            return step(0, state)
        return vectorize.repeat(count, step, state)

    def _tail(self, state, numbers, leaves, indices):
        return self._batch(state, numbers, leaves, indices)

    def _batch(self, state, numbers, leaves, indices):
        """The state of all lanes after each lane's batch of examples `indices`."""
        rules = self.stack.rules

        def lane(state, pairs, rule_pairs, which, index):
            batch = [vectorize.rows(leaf, index) for leaf in leaves]
            state, gradients = self.program.gradients(state, pairs, batch)
            with self.program.lifted(pairs):  # constraints are the model's
                trainable, slots = own_rule.update(rules, state, gradients, rule_pairs, which)
            return {**state, "trainable": trainable, "optimizer": slots}

        arguments = (state, *(numbers[name] for name in ("body", "rules", "which")), indices)
        return vectorize.over_lanes(lane, arguments, self.stack.native)

    def _close(self, state, numbers, examples, count):
        """The epoch's logs: training metrics so far, and the validation metrics."""
        native = self.stack.native
        logs = vectorize.over_lanes(self.program.results, (state["metrics"],), native)
        for name, column in logs.items():
            if len(column.shape) != 1:
                raise CannotStack(f"the metric {name} is not one number")
        rules = self.stack.rules
        rates = own_rule.learning_rates(rules, state, numbers, native)
        if not examples:
            return logs, rates
        lanes, pairs = self.stack.width, numbers["body"]
        if self.stack.at_point:
            moved = own_rule.evaluated_weights(rules, state, numbers, native)
            state = {**state, "trainable": moved}
        state = {**state, "optimizer": []}
        metrics = [
            keras.ops.broadcast_to(keras.ops.convert_to_tensor(a), (lanes, *a.shape))
            for a in self.stack.arrays.initial_metrics
        ]
        size, rows = self.stack.validation.size, held_out.rows_a_batch(self.stack)

        def evaluated(metrics, batch):
            def lane(state, metrics, pairs):
                return self.evaluation.test_step(state, metrics, pairs, batch)

            return vectorize.over_lanes(lane, (state, metrics, pairs), native)

        def step(i, metrics):
            return evaluated(metrics, [vectorize.span(a, i * rows, rows) for a in examples])

        if size // rows == 1:  # without a loop, in which XLA's convolutions are slow on a CPU
            metrics = step(0, metrics)
        elif size > rows:
            metrics = vectorize.repeat(count, step, metrics)
        if size % rows:
            metrics = evaluated(metrics, [a[size - size % rows :] for a in examples])
        values = vectorize.over_lanes(self.evaluation.results, (metrics,), native)
        return {**logs, **{f"val_{name}": value for name, value in values.items()}}, rates


def _on_host(parts) -> np.ndarray:
    return np.concatenate([vectorize.to_host(part) for part in parts])


def _compile(traced, arguments):
    if vectorize.on_jax():
        traced.lower().compile()
    else:
        traced(*arguments)


def _refused_by_xla(error) -> bool:
    if vectorize.on_jax():
        return False
    import tensorflow as tf

    refused = (
        tf.errors.InvalidArgumentError,
        tf.errors.UnimplementedError,
        tf.errors.InternalError,
    )
    return isinstance(error, refused) and not vectorize.is_out_of_memory(error)
