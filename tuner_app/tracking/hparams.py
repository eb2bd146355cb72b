"""A KerasTuner search space as TensorBoard's HParams: true domains, not the values seen so far."""

from collections.abc import Iterable, Mapping
from typing import Any

from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2, summary_v2


def experiment(space: Iterable[Mapping], metrics: Iterable[str], score: str):
    """The summary that describes a search: its hyperparameters' domains and its metrics.

    Args:
        space: `HyperParameters.get_config()["space"]`: class name and configuration of each.
        metrics: Names of an epoch's metrics, as Keras reports them.
        score: The tag under which a finished trial's score is written.
    """
    infos = []
    for name, items in by_name(space).items():
        # TensorBoard shows few columns until asked for more: first those that are marked to differ
        # between trials. So the ones that every trial has are marked, those in a scope are not.
        always = not any(item["config"]["conditions"] for item in items)
        infos.append(api_pb2.HParamInfo(name=name, differs=always))
        if (known := domain(items)) is not None:
            known.update_hparam_info(infos[-1])
    described = [summary_v2.Metric(score, display_name=score)]
    # Validation first: the dashboard's columns come in this order.
    for metric in sorted(metrics, key=lambda metric: not metric.startswith("val_")):
        group, tag = run_and_tag(metric)
        name = f"validation {metric.removeprefix('val_')}" if group == "validation" else metric
        described.append(summary_v2.Metric(tag, group=group, display_name=name))
    found = api_pb2.Experiment(
        hparam_infos=infos, metric_infos=[metric.as_proto() for metric in described]
    )
    return summary(summary_v2.metadata.EXPERIMENT_TAG, experiment=found)


def session(trial_id: str, hyperparameters: Mapping[str, Any]):
    """The summary that opens a trial, with its values; one that has none is left out."""
    values = {name: value for name, value in hyperparameters.items() if value is not None}
    return summary_v2.hparams_pb(values, trial_id=trial_id)


def session_end(completed: bool, seconds: float):
    """The summary that closes a trial as a success or as a failure."""
    status = api_pb2.STATUS_SUCCESS if completed else api_pb2.STATUS_FAILURE
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=seconds)
    return summary(summary_v2.metadata.SESSION_END_INFO_TAG, session_end_info=end)


def summary(tag: str, **data):
    """One of the plugin's messages as a summary."""
    return summary_v2._summary_pb(tag, plugin_data_pb2.HParamsPluginData(**data))


def run_and_tag(metric: str) -> tuple[str, str]:
    """Where Keras's own TensorBoard callback puts a metric, so that curves overlay.

    >>> run_and_tag("val_loss"), run_and_tag("learning_rate")
    (('validation', 'epoch_loss'), ('train', 'epoch_learning_rate'))
    """
    if metric.startswith("val_"):
        return "validation", f"epoch_{metric.removeprefix('val_')}"
    return "train", f"epoch_{metric}"


def by_name(space: Iterable[Mapping]) -> dict[str, list[Mapping]]:
    """Hyperparameters by name: one name may stand in several conditional scopes."""
    found: dict[str, list[Mapping]] = {}
    for item in space:
        found.setdefault(item["config"]["name"], []).append(item)
    return found


def domain(items: list[Mapping]):
    """All that a hyperparameter may be: an interval, or a set of values; None when mixed."""
    intervals = [item["config"] for item in items if item["class_name"] in ("Float", "Int")]
    if len(intervals) == len(items):
        low = min(config["min_value"] for config in intervals)
        high = max(config["max_value"] for config in intervals)
        if all(item["class_name"] == "Int" for item in items):
            return summary_v2.IntInterval(int(low), int(high))
        return summary_v2.RealInterval(float(low), float(high))
    if intervals:
        return None
    values = {value for item in items for value in values_of(item)}
    # A set of values is of one type; True == 1 in Python, so the types are looked at.
    if len({type(value) for value in values}) != 1:
        return None
    return summary_v2.Discrete(values)


def values_of(item: Mapping) -> list:
    if item["class_name"] == "Boolean":
        return [False, True]
    if item["class_name"] == "Fixed":
        return [item["config"]["value"]]
    return list(item["config"]["values"])
