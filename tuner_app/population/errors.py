"""The one exception that means: this trial can't be stacked, and why."""


class CannotStack(Exception):
    """A model, optimizer or loss that has no stacked form; its message is the reason, in words.

    It is not a failure of the trial: the trial trains by ordinary `fit`.
    """
