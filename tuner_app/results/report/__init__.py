"""The report of a search: what it found, what that cost and how far to trust it, in one file.

    from tuner_app.results import report

    document = report.collect("tuning/digits-mlp")
    Path("report.html").write_text(report.as_html(document), encoding="utf-8")

`collect` gives a dictionary that JSON can hold, and the forms are made of it alone, so that the
page, the Markdown and the JSON never disagree.
"""

from tuner_app.results.report.collecting import collect
from tuner_app.results.report.markdown import as_markdown
from tuner_app.results.report.page import as_html

__all__ = ["as_html", "as_markdown", "collect"]
