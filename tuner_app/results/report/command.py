"""The command that runs a search again, from its stored configuration."""

import dataclasses
import shlex
from collections.abc import Mapping
from typing import Any

from tuner_app.config import SearchConfig

SHOWN_ALWAYS = ("dataset", "space", "max_trials", "epochs", "seed")


def search_command(asked: Mapping[str, Any]) -> str:
    """The `tuner-app search` that was asked for, with what differs from the defaults.

    >>> search_command({"dataset": "csv:wine list.csv?target=quality", "max_trials": 3})
    "tuner-app search --dataset='csv:wine list.csv?target=quality' --max_trials=3"
    """
    defaults = {item.name: item.default for item in dataclasses.fields(SearchConfig)}
    words = ["tuner-app", "search"]
    for name, value in asked.items():
        if name == "project" or name not in defaults:
            continue
        value = tuple(value) if isinstance(value, list) else value
        if value == defaults[name] and name not in SHOWN_ALWAYS:
            continue
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        words.append(f"--{name}={shlex.quote(text)}")
    return " ".join(words)
