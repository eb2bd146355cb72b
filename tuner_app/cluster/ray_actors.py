"""What runs in Ray's actors: the owner of a search, and its workers."""

import contextlib
import os
import shlex
import socket
from collections.abc import Callable

from tuner_app import environment, preparation
from tuner_app.cluster.apart import working_copy
from tuner_app.config import SearchConfig
from tuner_app.errors import UserError
from tuner_app.store.disk_fault import DiskFault

MOST_TOLD = 32  # calls under way at a time


class Owner:
    """The process that owns the project directory."""

    def __init__(self, config: dict, workers: int, folder: str):
        os.chdir(folder)
        self.config, self.workers = SearchConfig.from_dict(config), workers
        self.events: list[tuple[str, tuple]] = []
        self.service = None

    def begin(self) -> tuple[str, ...]:
        """Opens the search. Returns what will be done, in words."""
        _set_up(self.config, cores=1)
        from tuner_app.cluster.service import SearchService
        from tuner_app.tuners.observer import Observer

        class Log(Observer):
            pass

        def noted(event: str) -> Callable:
            return lambda _, *details: self.events.append((event, details))

        for event in (name for name in vars(Observer) if not name.startswith("_")):
            setattr(Log, event, noted(event))
        prepared = preparation.prepare(self.config, [Log()])
        self.service = SearchService(prepared.tuner, self.workers)
        self.service.begin(self.config.epochs)
        return prepared.lines

    def call(self, name: str, *arguments: object) -> object:
        """Calls a method of the `SearchService`."""
        return getattr(self.service, name)(*arguments)

    def call_files(self, name: str, *arguments: object) -> object:
        """Calls a method of its `ProjectFiles`."""
        return getattr(self.service.files, name)(*arguments)

    def fact(self, name: str) -> object:
        """What is kept with the search under a name."""
        return self.service.tuner.store.fact(name)

    def new_events(self) -> list[tuple[str, tuple]]:
        """What observers were told since this was asked the last time."""
        found, self.events = self.events, []
        return found

    def workers_needed(self) -> int:
        """How many workers could have a trial, now or later."""
        return self.service.workers_needed

    def account(self) -> tuple[dict[str, int], str]:
        """How many runs each worker has brought to an end, and `SearchService.ended`."""
        return (dict(self.service.trained), self.service.ended) if self.service else ({}, "")

    def finish(self, outcome: str) -> str:
        """See `SearchService.finish`."""
        return self.service.finish(outcome) if self.service else ""


class Worker:
    """A process that trains."""

    def __init__(self, config: dict, cores: int, folder: str):
        with contextlib.suppress(OSError):  # which another machine may not have
            os.chdir(folder)
        self.config, self.cores = SearchConfig.from_dict(config), cores

    def train(self, owner, name: str, begun: list) -> str:
        """Trains until there are no more trials. Returns how they were stacked, in words.

        `begun`: References to what is there when the owner has begun.
        """
        import ray

        _set_up(self.config, self.cores)
        ray.get(begun)
        from tuner_app.cluster.worker_tuner import WorkerTuner

        with working_copy(self.config, Channel(owner, "call_files"), name) as (config, apart):

            def make(oracle, hypermodel, **options):
                self._compare_data(owner, options.pop("facts"))
                for not_here in ("config", "keep_best", "observers", "seed"):
                    options.pop(not_here)
                return WorkerTuner(Channel(owner), name, hypermodel, apart=apart, **options)

            prepared = preparation.prepare(config, make=make)
            try:
                prepared.tuner.search(**prepared.fit)
            except DiskFault as fault:
                if apart is None or fault.directory != config.directory:
                    raise
                raise UserError(
                    f"A worker on {socket.gethostname()} can't write to {apart.folder} "
                    f"({fault.words}). What has finished is kept: see to that disk, then go on "
                    f"with: tuner-app resume {shlex.quote(self.config.project)}"
                ) from fault
            return prepared.tuner.how_stacked

    def _compare_data(self, owner, facts: dict) -> None:
        import ray

        name = preparation.FINGERPRINT
        if ray.get(owner.fact.remote(name)) not in (None, facts[name]):
            raise UserError(
                f"{self.config.dataset} is another file on {socket.gethostname()} than where the "
                "search was begun. Put the same one there on each machine."
            )


class Channel:
    """A `SearchService` in another process; or, by another method of the owner, its files."""

    def __init__(self, owner, method: str = "call"):
        self._call = getattr(owner, method)
        self._told: list = []

    def __getattr__(self, name: str) -> Callable:
        return lambda *arguments: self.ask(name, *arguments)()

    def renew(self, worker: str) -> None:
        """See `SearchService`. For a thread of its own: what was told is not settled here."""
        _answer(self._call.remote("renew", worker))

    def ask(self, name: str, *arguments: object) -> Callable[[], object]:
        """A call that the owner may answer meanwhile: what is returned waits for the answer."""
        told, self._told = self._told, []
        told.append(self._call.remote(name, *arguments))
        return lambda: _answer(told)[-1]

    def tell(self, name: str, *arguments: object) -> None:
        """A call whose answer nobody waits for: calls arrive in order, and what one of them raises
        is raised by a later one."""
        self._told.append(self._call.remote(name, *arguments))
        if len(self._told) >= MOST_TOLD:
            told, self._told = self._told, []
            _answer(told)


def _answer(reference) -> object:
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None  # as if it had been raised here


def _set_up(config: SearchConfig, cores: int) -> None:
    for library in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
        os.environ[library] = str(cores)
    environment.use_backend(config.backend)
    environment.import_quietly(*environment.SEARCH)
