"""A search on Ray: its owner in one actor, each worker in another, on one machine or on many.

Ray places the workers where there are cores and GPUs. Where a process or a machine dies, another
worker is started; one that finds no room waits until a machine joins. The driver is the process
that the user sees: it starts the actors, passes on what the owner tells, and counts deaths.

The project directory is on the driver's machine, where Ray keeps the owner's process, which alone
writes the database. Workers that see it under the same path write their files there; others have
the owner do it (see `apart`).
"""

import dataclasses
import os
import shlex
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tuner_app import experiment
from tuner_app.cluster.ray_actors import Owner, Worker
from tuner_app.cluster.ray_connection import connected
from tuner_app.cluster.workers import Workers
from tuner_app.config import SearchConfig
from tuner_app.errors import UserError

DEATHS = 3  # of workers in a row, without an epoch in between, after which the search is given up
NO_MEMORY = "its machine had no memory left"
_IDLE_GPUS = "Ray finds {:g} GPUs, and hides them from its workers without --gpus_per_worker."
POLL = 1.0  # seconds; each asks the owner, whose core is one that trains


def run_search(
    config: SearchConfig,
    workers: Workers,
    observers: Iterable[Any] = (),
    *,
    resume: bool = False,
    say: Callable[[str], None] = print,
) -> experiment.Outcome:
    """As `experiment.run_search`, with workers on Ray.

    Raises:
        UserError: Bad input, Ray is not installed, or no cluster answers at the address; or the
            owner died (`OwnerDied`), or the project directory can't be written any more.
        KeyboardInterrupt: The search was stopped; it can be resumed.
    """
    began = time.monotonic()
    experiment.check(config, resume=resume)
    # Workers may have another folder.
    project = str(config.directory.absolute())
    config = dataclasses.replace(config.anchored(Path.cwd()), project=project)
    with connected(workers) as ray:
        driver = Driver(ray, config, workers, list(observers), say)
        failure = driver.run()
    account = {
        "device": driver.device,
        "failure": failure,
        "stack": driver.how_stacked,
        "ended": driver.ended,
    }
    if not failure:
        experiment.note_over(config, account)
    return experiment.outcome_of(config, began, account)


class OwnerDied(UserError):
    """The process that owned the search is gone."""

    def __init__(self, directory: str, workers: Workers, death: BaseException):
        died = "The process that owned the search died: it was killed, or had no memory left."
        if _failed_to_begin(death):
            died = f"Ray can't begin the process that owns a search ({_last_line(death)})."
        super().__init__(
            f"{died} What has finished is kept; go on with: tuner-app resume "
            f"{shlex.quote(directory)} {workers.flags}"
        )


class Driver:
    """One search on Ray, as its user's process sees it.

    Attributes:
        device: What trains, in words.
        how_stacked: How a worker stacked its trials, in words; "" where none did.
        ended: Why the search ended before its trials were used up; "" where it did not.
        deaths: How many workers have died.
    """

    def __init__(self, ray, config: SearchConfig, workers: Workers, observers: list, say):
        self.ray, self.config, self.workers = ray, config, workers
        self.observers, self.say = observers, say
        self.device, self.how_stacked, self.ended, self.deaths = "", "", "", 0
        self._working: dict[Any, tuple[str, Any]] = {}  # result to come → worker's name, actor
        self._started = 0  # workers so far
        self._in_a_row = 0  # deaths since the last event
        self._over = False

    def run(self) -> str:
        """Until every trial has ended. Returns why the search failed, or ""."""
        ray = self.ray
        self.owner = self._owner()
        outcome = "failed"
        try:
            room = self._told_of_room()
            self._begun = self.owner.begin.remote()
            for _ in range(self.workers.number):  # which import what they need meanwhile
                self._start_worker()
            for line in (*self._answer_of_owner(self._begun), *room):
                self.say(line)
            while self._working and not self._over:
                done, _ = ray.wait(list(self._working), timeout=POLL)
                self._pass_on()
                for one in done:
                    self._after(one)
            outcome = "done"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            failure = self._end(outcome)
        return failure

    def _end(self, outcome: str) -> str:
        for _, actor in self._working.values():
            self.ray.kill(actor)
        try:
            trained, self.ended = self._ask_owner("account")
            self.device = _device(trained)
            failure = self._ask_owner("finish", outcome)
            self._pass_on()
        except OwnerDied:
            if outcome == "done":
                raise
            return ""  # what ended the search is being raised
        self.ray.kill(self.owner)
        return failure

    def _owner(self):
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(
            self.ray.get_runtime_context().get_node_id(), soft=False
        )
        actor = self.ray.remote(Owner).options(num_cpus=0, scheduling_strategy=here)
        return actor.remote(self.config.to_dict(), self.workers.number, os.getcwd())

    def _told_of_room(self) -> list[str]:
        """Lines on workers that can't train now, and on GPUs that none will use.

        Raises UserError if no worker ever can.
        """
        has, wanted = self.ray.cluster_resources(), self.workers
        idle = [] if wanted.gpus or not has.get("GPU") else [_IDLE_GPUS.format(has["GPU"])]
        return idle + self._told_of_places(has, wanted)

    def _told_of_places(self, has: dict[str, float], wanted: Workers) -> list[str]:
        room = int(has.get("CPU", 0)) // self._cores()
        if wanted.gpus:
            room = min(room, int(has.get("GPU", 0) / wanted.gpus))
        if room >= wanted.number:
            return []
        if wanted.address:
            told = f"There is room for {room} of the {wanted.number} workers now; the others begin "
            return [told + "when a machine joins."]
        if room == 0:
            raise UserError(
                f"gpus_per_worker is {wanted.gpus:g}, and Ray finds {has.get('GPU', 0):g} GPUs on "
                "this machine. Leave it out to train without."
            )
        return [f"This machine has room for {room} of the {wanted.number} workers."]

    def _cores(self) -> int:
        """What a worker that starts now gets: its share of what is there."""
        return max(1, int(self.ray.cluster_resources().get("CPU", 1)) // self.workers.number)

    def _start_worker(self) -> None:
        name, self._started = f"w{self._started}", self._started + 1
        cores = self._cores()
        actor = self.ray.remote(Worker).options(num_cpus=cores, num_gpus=self.workers.gpus)
        actor = actor.remote(self.config.to_dict(), cores, os.getcwd())
        # In a list, as Ray would not begin before an argument is there.
        self._working[actor.train.remote(self.owner, name, [self._begun])] = name, actor

    def _after(self, one) -> None:
        """A worker has no more trials to train, or is dead."""
        name, actor = self._working.pop(one)
        try:
            self.how_stacked = self._ask(one) or self.how_stacked
        except self.ray.exceptions.RayError as death:  # killed, its machine gone, out of memory
            self.deaths += 1
            self._in_a_row += 1
            hungry = _out_of_memory(death)
            lost = self._ask_owner("call", "lost", name, NO_MEMORY if hungry else "")
            trials = "1 trial, which runs" if len(lost) == 1 else f"{len(lost)} trials, which run"
            again = f" with {trials} again elsewhere" if lost else ""
            found = f" (because {NO_MEMORY})" if hungry else ""
            self.say(f"Worker {name} died{found}{again}.")
            if self._in_a_row > DEATHS * self.workers.number:
                why = "Ray's logs (/tmp/ray/session_latest/logs) may tell why."
                if hungry:
                    why = f"The last one did because {NO_MEMORY}: take fewer --lanes or workers."
                if _failed_to_begin(death):
                    why = f"The last one could not begin: {_last_line(death)}."
                raise UserError(
                    f"{self._in_a_row} workers died in a row, without an epoch in between. {why} "
                    "What has finished is kept."
                ) from death
        self.ray.kill(actor)
        needed = self._ask_owner("workers_needed")
        self._over = needed == 0  # who is still there has heard it, or waits for room
        while len(self._working) < needed:
            self._start_worker()

    def _pass_on(self) -> None:
        """Tells the observers here what the owner's were told."""
        from tuner_app.tuners.audience import tell

        events = self._ask_owner("new_events")
        if events:
            self._in_a_row = 0
        for event, details in events:
            tell(self.observers, event, *details)

    def _ask_owner(self, name: str, *arguments: object) -> Any:
        return self._answer_of_owner(getattr(self.owner, name).remote(*arguments))

    def _answer_of_owner(self, reference) -> Any:
        try:
            return self._ask(reference)
        except self.ray.exceptions.RayError as death:
            raise OwnerDied(self.config.project, self.workers, death) from None

    def _ask(self, reference) -> Any:
        """The answer; what was raised there is raised here, without Ray's account of it."""
        try:
            return self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from None


def _failed_to_begin(death: BaseException) -> bool:
    """Whether an actor's class could not be made, as where this package is not installed."""
    return "creation task" in str(death)


def _out_of_memory(death: BaseException) -> bool:
    """Whether Ray killed a worker since its machine's memory was nearly all used."""
    return type(death).__name__ == "OutOfMemoryError" or "low on memory" in str(death)


def _last_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[-1].rstrip(".")


def _device(trained: dict[str, int]) -> str:
    """The workers in words, from how many runs each has brought to an end.

    >>> _device({"w1": 39, "w0": 61})
    '2 workers on Ray; trials of each: 61, 39'
    """
    if not trained:
        return "Ray, where nothing was left to train"
    shares = [str(trained[name]) for name in sorted(trained, key=lambda name: int(name[1:]))]
    workers = "1 worker" if len(shares) == 1 else f"{len(shares)} workers"
    return f"{workers} on Ray; trials of each: {', '.join(shares)}"
