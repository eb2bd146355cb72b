"""How a search is spread over processes and machines."""

import dataclasses

from tuner_app.errors import UserError


@dataclasses.dataclass(frozen=True)
class Workers:
    """How a search is spread.

    Args:
        number: Workers that train at the same time, from 1.
        address: Of a running Ray cluster ("auto", or HOST:PORT); "": Ray is started on this machine
            and stopped at the end.
        gpus: GPUs for each worker; a part of one is allowed.

    >>> Workers(0)
    Traceback (most recent call last):
    tuner_app.errors.UserError: num_workers is 0, expected a whole number of at least 1.
    """

    number: int = 1
    address: str = ""
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.number, int) or self.number < 1:
            raise UserError(
                f"num_workers is {self.number!r}, expected a whole number of at least 1."
            )
        if not self.gpus >= 0:
            raise UserError(f"gpus_per_worker is {self.gpus!r}, expected a number from 0.")

    @property
    def flags(self) -> str:
        """What asks for these on the command line.

        >>> Workers(2, "auto").flags
        '--engine=ray --num_workers=2 --ray_address=auto'
        """
        words = ["--engine=ray", f"--num_workers={self.number}"]
        words += [f"--ray_address={self.address}"] if self.address else []
        words += [f"--gpus_per_worker={self.gpus:g}"] if self.gpus else []
        return " ".join(words)
