"""What a finished search prints: the leaderboard, the best trial, the counts, and what to do next.

Written for a pipe as for a terminal: plain text, the leaderboard as `tuner-app results` shows it.
"""

from collections import Counter

from tuner_app import results
from tuner_app.cli.invocation import command_line
from tuner_app.cli.progress import clock, short
from tuner_app.experiment import Outcome

BEST = 10


def summary(outcome: Outcome) -> str:
    """The whole text, without a last line break."""
    found = outcome.results
    parts = []
    if outcome.best is not None:
        parts += [results.as_table(found.head(BEST)).rstrip("\n"), "", *_best(outcome), ""]
    parts += [*_counts(outcome), ""]
    parts += _next(outcome) if outcome.best is not None else _why_nothing(outcome)
    return "\n".join(parts)


def _best(outcome: Outcome) -> list[str]:
    best = outcome.best
    epoch = "" if best.best_epoch is None else f" in epoch {best.best_epoch + 1}"
    width = max(map(len, best.hyperparameters), default=0)
    return [
        f"Best: trial {best.trial_id}, {outcome.results.objective} {best.score:.4f}{epoch}",
        *(f"  {name:<{width}}  {short(value)}" for name, value in best.hyperparameters.items()),
    ]
