"""Packages that only some oracles need."""

import importlib.util
from types import ModuleType

from tuner_app.errors import UserError


def require(module: ModuleType) -> None:
    """Raises `UserError` where the package that an oracle's module names in PACKAGE is missing."""
    package = getattr(module, "PACKAGE", None)
    if package is not None and importlib.util.find_spec(package) is None:
        raise UserError(
            f"The oracle {module.NAME} needs the package {package}, which is not installed. "
            f'Install it with: pip install "tuner-app[{module.EXTRA}]"; or take another oracle.'
        )
