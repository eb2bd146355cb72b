"""What a check says."""

from dataclasses import dataclass

STATUSES = ("pass", "warn", "fail")


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: Its name.
        status: "pass", "warn" or "fail".
        found: What was found, a sentence.
        advice: What to do about it; "" where all is well.
    """

    check: str
    status: str
    found: str
    advice: str = ""

    def __post_init__(self):
        if self.status not in STATUSES:
            raise ValueError(f"Expected a status of {STATUSES}; got {self.status!r}.")


def graded(check: str, found: str, *, fail: str = "", warn: str = "") -> Finding:
    """A finding that fails where `fail` has advice, warns where `warn` has, and else passes.

    >>> graded("labels", "all are there").status, graded("labels", "", warn="look").status
    ('pass', 'warn')
    """
    status = "fail" if fail else "warn" if warn else "pass"
    return Finding(check, status, found, fail or warn)
