"""Tells the observers of a search; one that fails is left out, and the search goes on."""

import warnings

from tuner_app.tuners.observer import Observer


def tell(observers: list[Observer], event: str, *details: object) -> None:
    """Calls the method `event` of each observer; one that raises is removed from the list, with a
    warning.

    >>> class Counter(Observer):
    ...     trials = 0
    ...     def trial_ended(self, trial):
    ...         self.trials += 1
    >>> counter = Counter()
    >>> tell([counter], "trial_ended", None)
    >>> counter.trials
    1
    """
    for observer in list(observers):
        try:
            getattr(observer, event)(*details)
        except Exception as error:
            observers.remove(observer)
            warnings.warn(
                f"{type(observer).__name__}.{event} raised {error!r}; it is told no more.",
                RuntimeWarning,
                stacklevel=2,
            )
