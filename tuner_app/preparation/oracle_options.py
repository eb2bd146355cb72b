"""What a configuration means for its oracle: the arguments it gets, and its plan in words."""

from pathlib import Path
from typing import Any

from tuner_app.config import SearchConfig, seconds
from tuner_app.errors import UserError
from tuner_app.preparation import warm_start
from tuner_app.store import holds_search


def oracle_options(
    config: SearchConfig, objective: str, fingerprint: str | None = None
) -> tuple[dict[str, Any], warm_start.Past, tuple[str, ...]]:
    """The oracle's arguments, what past searches give to it, and what else is to be said.

    Args:
        fingerprint: Of the data's files.
    """
    from tuner_app import oracles

    budget = oracles.Budget(
        seconds=seconds(config.time_limit),
        max_epochs=config.max_epochs_total or None,
        target=config.target_value,
        patience=config.trials_patience or None,
    )
    options: dict[str, Any] = {"pruner": config.pruner, "budget": budget}
    if config.oracle == "pbt":
        options |= {
            "interval": config.interval,
            "quantile": config.quantile,
            "factors": config.factors,
            "resample": config.resample_probability,
            "patience": config.patience or None,
            "defaults_first": True,
        }
    if config.oracle not in oracles.SAMPLERS:
        if config.enqueue or config.warm_start or config.extend_ranges:
            raise UserError(
                f"The oracle {config.oracle} has an order of its own, which enqueue, warm_start "
                "and extend_ranges would disturb. Leave them out, or take one of "
                f"{', '.join(oracles.SAMPLERS)}."
            )
        return options, warm_start.Past(), ()
    begun = holds_search(config.directory)  # then the store has them
    first = warm_start.points(config.enqueue) if config.enqueue and not begun else []
    whole = config.anchored(Path.cwd()).dataset  # as the past searches keep it
    past = warm_start.past(() if begun else config.past_searches, whole, objective, fingerprint)
    options |= {"defaults_first": True, "explore": "sobol", "known": past.known}
    options |= {"first": first + past.first, "extend_ranges": config.extend_ranges}
    lines: tuple[str, ...] = ()
    if config.oracle in oracles.MODELS and len(past.known) < oracles.STARTUP:
        lines = (
            f"Explores by a Sobol sequence until {oracles.STARTUP} trials are finished: fewer tell "
            f"{config.oracle} too little to model the objective.",
        )
    return options, past, lines


def oracle_plan(config: SearchConfig, oracle: Any) -> tuple[str, ...]:
    """What an oracle with a schedule of its own will do, in words; nothing for the others."""
    if config.oracle == "pbt":
        return (_population_plan(oracle),)
    if config.oracle == "hyperband":
        return (_hyperband_plan(oracle.plan()),)
    return ()


def _hyperband_plan(brackets: list[list[tuple[int, int]]]) -> str:
    """Hyperband's brackets in words; those that come again and again, once.

    >>> _hyperband_plan([[(5, 3), (2, 9)], [(3, 9)]])
    'Brackets: 5 trials of 3 epochs, the best 2 up to 9; then 3 trials of 9 epochs.'
    >>> _hyperband_plan([[(2, 9)], [(3, 9)], [(2, 9)], [(3, 9)], [(1, 9)]])[10:]
    'twice over, 2 trials of 9 epochs; then 3 trials of 9 epochs; and at last 1 trial of 9 epochs.'
    """
    length = next((n for n in range(1, len(brackets)) if brackets[n] == brackets[0]), len(brackets))
    first, times = brackets[:length], 1
    while brackets[times * length : (times + 1) * length] == first:
        times += 1
    often = "" if times == 1 else "twice over, " if times == 2 else f"{times} times over, "
    words = "; then ".join(map(_bracket, first))
    last = "; then ".join(map(_bracket, brackets[times * length :]))
    return f"Brackets: {often}{words}{f'; and at last {last}' if last else ''}."


def _bracket(rungs: list[tuple[int, int]]) -> str:
    (trials, epochs), *above = rungs
    first = f"{trials} {'trial' if trials == 1 else 'trials'} of {epochs} "
    first += "epoch" if epochs == 1 else "epochs"
    best = (f"the best {trials} up to {epochs}" for trials, epochs in above)
    return ", ".join([first, *best])


def _population_plan(oracle: Any) -> str:
    """What is done after each interval, in words."""
    number = max(1, int(oracle.quantile * oracle.population + 1e-9))
    copied = f"the {number} last go" if number > 1 else "the last goes"
    interval = "epoch" if oracle.interval == 1 else f"{oracle.interval} epochs"
    return (
        f"A population of {oracle.population}: after every {interval} {copied} on "
        f"from the weights of the first {f'{number} ' if number > 1 else ''}with changed "
        "hyperparameters."
    )
