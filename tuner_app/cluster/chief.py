"""KerasTuner's chief and workers: one script, started once as the chief and elsewhere as a worker.

The environment says which (KERASTUNER_TUNER_ID, with "chief" in the chief's, and
KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT, where the chief listens), as KerasTuner has it. The
chief's `search` opens trials for the workers and returns when all have ended; a worker's trains
them. A worker that dies, or says nothing for a minute, loses its trials to the others.
"""

import os
import time
from concurrent import futures

from tuner_app.cluster.channel import Channel, serve
from tuner_app.cluster.service import LEASE, SearchService
from tuner_app.cluster.worker_tuner import working
from tuner_app.oracles import SearchFailed

SHARES = 4  # a worker takes at most this part of the trials that are left: others may come
LOOK = 0.2  # seconds


def search(tuner, fit_args: tuple, fit_kwargs: dict) -> None:
    """`search` of a tuner in a process that is the chief, or a worker."""
    address = ":".join(os.environ[f"KERASTUNER_ORACLE_{part}"] for part in ("IP", "PORT"))
    if tuner._is_worker():
        working(tuner, Channel(address), tuner.tuner_id).search(*fit_args, **fit_kwargs)
    else:
        oversee(tuner, address, fit_kwargs.get("epochs"))


def oversee(tuner, address: str, epochs: int | None, lease: float = LEASE) -> None:
    """Lets workers train the tuner's trials, until all have ended and the workers have left.

    Raises SearchFailed and UserError as `search` does.
    """
    tuner.close()  # the database is opened in the thread that answers
    with futures.ThreadPoolExecutor(max_workers=1) as thread:

        def there(function, *arguments):
            return thread.submit(function, *arguments).result()

        service = there(lambda: SearchService(tuner, SHARES, lease))
        outcome, server = "failed", None
        try:
            there(service.begin, epochs)
            server = serve(service, address, thread)
            while not there(lambda: service.over):
                if service.fault:
                    raise service.fault
                time.sleep(LOOK)
            outcome = "done"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            if server is not None:
                server.stop(grace=1).wait()
            failure = there(service.finish, outcome)
    if failure:
        raise SearchFailed(failure)
