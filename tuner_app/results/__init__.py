"""Reads a project directory back: the trials ranked, every epoch, and the forms to show them in.

    found = read("tuning/digits")
    print(as_table(found))

Needs neither TensorFlow nor Keras. `export`, which does, is in `tuner_app.results.export`.
"""

from tuner_app.results.edges import Edge, edges_of
from tuner_app.results.formats import as_csv, as_json, as_table
from tuner_app.results.search_results import SearchResults, history, read

__all__ = ["Edge", "SearchResults", "as_csv", "as_json", "as_table", "edges_of", "history", "read"]
