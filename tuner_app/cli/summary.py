"""What a finished search prints: the leaderboard, the best trial, the counts, and what to do next.

Plain text. The leaderboard has one line a trial, which a terminal's width cuts short: all of it is
in the best trial's list below and in `tuner-app results`.
"""

import dataclasses
import shutil
import sys
import textwrap
from collections import Counter

from tuner_app import results
from tuner_app.cli.invocation import command_line
from tuner_app.cli.progress import clock, short
from tuner_app.cli.results import UNBROKEN
from tuner_app.experiment import Outcome
from tuner_app.results.lineage import changes
from tuner_app.store import TrialRecord

SHOWN = 10
WIDTH = 100
BY_FIT = "trained by fit: "  # in the message of a trial that could not be stacked
MODES = {"fit": "one by one", "stacked": "stacked"}


def summary(outcome: Outcome) -> str:
    """The whole text, without a last line break."""
    blocks = []
    if outcome.best is not None:
        blocks += [_leaderboard(outcome), _best(outcome.best, outcome.results.objective)]
        blocks.append(_lineage(outcome))
    blocks.append(_counts(outcome))
    blocks.append([f"Range:    {edge}{_advice(outcome, edge)}" for edge in outcome.edges])
    blocks.append(_next(outcome) if outcome.best is not None else _why_nothing(outcome))
    return "\n" + "\n\n".join("\n".join(lines) for lines in blocks if lines)


def _leaderboard(outcome: Outcome) -> list[str]:
    found = outcome.results
    completed = [trial for trial in found.trials if trial.status == "COMPLETED"]
    top = dataclasses.replace(found, trials=completed[:SHOWN], lineages={})
    lines = results.as_table(top, width=UNBROKEN).splitlines()
    if sys.stdout.isatty():
        columns = shutil.get_terminal_size().columns
        lines = [line if len(line) <= columns else line[: columns - 1] + "…" for line in lines]
    hidden = len(completed) - SHOWN
    return lines + ([f"... and {hidden} more"] if hidden > 0 else [])


def _best(best: TrialRecord, objective: str) -> list[str]:
    epoch = "" if best.best_epoch is None else f" in epoch {best.best_epoch + 1}"
    width = max(map(len, best.hyperparameters), default=0)
    return [
        f"Best: trial {best.trial_id}, {objective} {best.score:.4f}{epoch}",
        *(f"  {name:<{width}}  {short(value)}" for name, value in best.hyperparameters.items()),
    ]


def _lineage(outcome: Outcome) -> list[str]:
    """Of population-based training, which values trained the best weights in which epochs."""
    stretches = outcome.results.lineages.get(outcome.best.trial_id, [])
    if len(stretches) < 2:  # no copy: the values above are all that it had
        return []
    lines = ["Its weights came about in stretches, which `export` trains again:"]
    for line in changes(stretches):
        lines += textwrap.wrap(line, WIDTH, initial_indent="  ", subsequent_indent="    ")
    return lines


def _counts(outcome: Outcome) -> list[str]:
    trials = outcome.results.trials
    completed = [trial for trial in trials if trial.status == "COMPLETED"]
    failed = [trial for trial in trials if trial.status == "FAILED"]
    pruned = [trial for trial in trials if trial.status == "PRUNED"]
    modes = Counter(MODES.get(trial.mode, trial.mode) for trial in completed + pruned)
    trained = ", ".join(f"{count} {mode}" for mode, count in modes.items())
    lines = [
        f"Trials:   {len(completed)} completed, "
        + (f"{len(pruned)} pruned, " if pruned else "")
        + f"{len(failed)} failed"
        + (f"; trained {trained}" if trained else "")
    ]
    by_fit = [t.message.partition(BY_FIT)[2] for t in completed + pruned if BY_FIT in t.message]
    for reason, count in Counter(by_fit).most_common():
        lines.append(f"          {count} {BY_FIT}{reason}")
    for reason, count in Counter(trial.message for trial in failed).most_common():
        lines.append(f"          {count} failed: {reason}")
    if outcome.ended:
        lines.append(f"Ended:    {outcome.ended}")
    if outcome.results.population is not None:
        lines += textwrap.wrap(
            f"Population: {outcome.results.population}", WIDTH, subsequent_indent=" " * 10
        )
    if outcome.stack:
        lines.append(f"Stack:    {outcome.stack}")
    return [
        *lines,
        f"Device:   {outcome.device}",
        f"Time:     {clock(outcome.seconds)}",
        f"Project:  {outcome.directory}",
    ]


def _advice(outcome: Outcome, edge: results.Edge) -> str:
    return "; --extend_ranges widens it" if outcome.extendable and not edge.natural else ""


def _next(outcome: Outcome) -> list[str]:
    resume = [f"  {command_line('resume', outcome.directory)}"] if outcome.out_of_time else []
    return [
        "Next:",
        *resume,
        f"  {command_line('confirm', outcome.directory)}",
        f"  {command_line('report', outcome.directory)}",
        f"  {command_line('board', outcome.directory)}",
        f"  {command_line('export', outcome.directory, '--output=best.keras')}",
    ]


def _why_nothing(outcome: Outcome) -> list[str]:
    if not outcome.results.trials:
        return ["No trial was run: the oracle had none to offer."]
    return ["No trial completed, so there is no best one. The reasons are above."]
