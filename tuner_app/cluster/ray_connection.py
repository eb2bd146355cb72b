"""Ray, for as long as a search takes: one of our own on this machine, or a running cluster."""

import contextlib
import os
import secrets
import signal
import threading
from collections.abc import Iterator
from typing import Any

from tuner_app import environment
from tuner_app.cluster.workers import Workers
from tuner_app.errors import UserError

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nobody is told of a search
    # Nobody looks at these, and they take time from the cores that train.
    "RAY_task_events_report_interval_ms": "0",
    "RAY_enable_metrics_collection": "false",
    # As without Ray: its workers would yield to whatever else runs (nice 15).
    "RAY_worker_niceness": "0",
    # Ray would build an environment for every worker out of a project that `uv run` has started.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # What Ray has to say of dead workers goes to its logs. The driver tells of them itself.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
}
_TOKEN = "RAY_AUTH_TOKEN"  # what Ray's servers want to hear from whoever calls them
_TOKENS = (_TOKEN, "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE")


@contextlib.contextmanager
def connected(workers: Workers) -> Iterator[Any]:
    """The `ray` module, connected until the block ends.

    A Ray of our own listens on loopback, with a token that nobody else knows.

    Raises UserError if Ray is not installed, or no cluster answers at the address.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if not workers.address:
        # Ray listens on the machine's own address but for this.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
    except ImportError:
        raise UserError(
            "The engine is ray, which is not installed. Install it: pip install '.[ray]'."
        ) from None
    with _token(wanted=not workers.address):
        with environment.native_stderr_held_back(), _own_sigterm():
            try:
                ray.init(
                    address=workers.address or "local",
                    log_to_driver=False,
                    logging_level="critical",
                    **({} if workers.address else _own()),
                )
                error = None
            except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as found:
                error = found
        if error is not None:
            raise UserError(_why_not(workers, error)) from None
        try:
            yield ray
        finally:
            ray.shutdown()


def _own() -> dict[str, Any]:
    """What `ray.init` is to start."""
    # Ray would count cores that this process may not use.
    own = {"include_dashboard": False, "num_cpus": environment.cores()}
    return own | {"_node_ip_address": "127.0.0.1"}


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Whoever handles SIGTERM does so afterwards: Ray's handler would just end the process."""
    ours = signal.getsignal(signal.SIGTERM)
    yield
    if ours is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, ours)


@contextlib.contextmanager
def _token(wanted: bool) -> Iterator[None]:
    """A token for a Ray of our own. It would make one by itself, and leave it in the home folder,
    where each later `ray start` takes it up."""
    if not wanted or any(name in os.environ for name in _TOKENS):
        yield
        return
    os.environ[_TOKEN] = secrets.token_hex(32)
    try:
        yield
    finally:
        for name in (_TOKEN, "RAY_AUTH_MODE"):  # Ray sets the second
            os.environ.pop(name, None)


def _why_not(workers: Workers, error: Exception) -> str:
    said = " ".join(str(error).split())
    if not workers.address:
        return f"Ray can't be started on this machine ({type(error).__name__}: {said})."
    return (
        f"No Ray cluster answers at {workers.address!r} ({said}). Expected auto or HOST:PORT of a "
        "running one (`ray start --head`), or nothing, for one on this machine alone."
    )
