"""The tail of a search: lanes that are not given another trial, and when to drop them."""

from tuner_app.population import Population


class Tail:
    """Weighs the time of idle lanes against that of compiling a smaller stack.

    Both are measured as the search goes: an epoch in which nothing was compiled takes `seconds`,
    one in which something was takes so much more for each stack.

    >>> class Stack:
    ...     class stats:
    ...         traces = 1
    >>> tail = Tail(Stack)
    >>> tail.took(5.0), tail.took(1.0)  # 4 seconds to compile
    (None, None)
    >>> tail.pays(useful_lanes=10, lanes=100, stacks=1, epochs_left=5)
    False
    >>> tail.pays(useful_lanes=10, lanes=100, stacks=1, epochs_left=50)
    True
    >>> tail.pays(useful_lanes=10, lanes=100, stacks=6, epochs_left=50)
    False
    >>> Stack.stats.traces = 5  # four more, a second each
    >>> tail.took(5.0), tail.pays(useful_lanes=10, lanes=100, stacks=6, epochs_left=50)
    (None, True)
    """

    def __init__(self, population: Population):
        self._population = population
        self._traces = 0
        self._seconds = 0.0  # of an epoch alone
        self._compiling, self._compiled = 0.0, 1  # an epoch with so many compilations

    def took(self, seconds: float) -> None:
        """An epoch of the population is over."""
        traces = self._population.stats.traces
        if traces != self._traces:
            self._compiling, self._compiled = seconds, traces - self._traces
            self._traces = traces
        else:
            self._seconds = seconds

    def pays(self, useful_lanes: int, lanes: int, stacks: int, epochs_left: int) -> bool:
        """Whether dropping the idle lanes saves clearly more than it costs.

        Args:
            stacks: How many would be compiled again.
            epochs_left: The most that a trial under way may still train.
        """
        if not self._seconds or useful_lanes >= lanes:
            return False
        saved = epochs_left * self._seconds * (1 - useful_lanes / lanes)
        each = max(0.0, self._compiling - self._seconds) / self._compiled
        return saved > 2 * stacks * each
