"""Search spaces: what a trial may be. A file is a space; `hyperparameters` has their blocks."""

from search_spaces._loading import check, load

__all__ = ["check", "load"]
