"""The report: the same content in three forms, escaped, offline, and drawn by a real browser."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tuner_app import results
from tuner_app.cli.main import main
from tuner_app.errors import UserError
from tuner_app.results import report
from tuner_app.results.report.domains import domains
from tuner_app.store import SearchStore, TrialRow

HOSTILE = "</script><img src=x onerror=alert(1)>"
VOID = {"meta", "link", "br", "img", "input"}


class Page(HTMLParser):
    """A page's elements, each closed in order, and what its addresses and scripts hold."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.addresses, self.islands, self.tags, self.said = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [v for k, v in attributes if k in ("src", "href", "action", "data")]
        assert not [k for k, _ in attributes if k.startswith("on")]
        if tag not in VOID:
            self.open.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, text):
        if not self.open:
            return
        tag, attributes = self.open[-1]
        if attributes.get("id") == "data":
            self.islands.append(text)
        elif tag not in ("script", "style"):
            self.said.append(text)


@pytest.fixture(scope="session")
def document(searched):
    return report.collect(searched, with_mistakes=False)


@pytest.fixture(scope="session")
def page(document):
    return report.as_html(document)


def test_the_answer_is_the_best_trials(document, searched):
    found = results.read(searched)
    assert document["best"]["trial_id"] == found.best.trial_id
    assert document["best"]["score"] == found.best.score
    assert [t["trial_id"] for t in document["trials"]] == [t.trial_id for t in found.trials]
    assert [t["rank"] for t in document["trials"]] == found.ranks()
    assert document["cost"] | {"wall": 0} == {
        "trials": 60,
        "completed": 54,
        "failed": 6,
        "pruned": 0,
        "modes": {"fit": 54},
        "epochs": 180,
        "trial_seconds": 30.0,
        "wall": 0,
        "at_once": 1,
        "sessions": 1,
    }
    assert document["command"] == ("tuner-app search --dataset=digits --space=mlp --max_trials=60")


def test_importance_finds_what_the_score_follows(document):
    groups = {group["condition"]: group["shares"] for group in document["importance"]["groups"]}
    assert set(groups) == {"", "optimizer is adam", "optimizer is sgd"}
    assert "adam_rate" not in groups[""]
    for shares in groups.values():
        assert sum(shares.values()) == pytest.approx(1)
    for name in ("adam", "sgd"):
        shares = groups[f"optimizer is {name}"]
        assert max(shares, key=shares.get) == f"{name}_rate" and shares[f"{name}_rate"] > 0.7


def test_the_page_stands_alone_and_closes_what_it_opens(page, document):
    read = Page(page)
    assert read.open == []
    assert all(address.startswith("data:") for address in read.addresses)
    outside = page.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|@import|url\(", outside)
    assert "default-src 'none'" in page
    assert json.loads("".join(read.islands)) == document
    assert "anna" not in page and document["environment"] == {"python": "3.11", "keras": "3.15"}
    # What looks like markup in names, values and messages is text, here and in the island.
    assert "img" not in read.tags and "alert(1)>" in "".join(read.said)
    assert page.count("</script>") == 2


MISTAKES = {
    "trial_id": "0000",
    "task": "classification",
    "examples": 10,
    "classes": ["cat", HOSTILE],
    "confusion": [[5, 1], [0, 4]],
    "wrong": 1,
    "shown": [{"row": 3, "true": 0, "predicted": 1, "sure": 0.9, "image": None}],
}


def test_the_page_draws_every_chart_in_a_browser(confirmed, tmp_path):
    """Where there is a browser; where there is none, what it runs is still complete and balanced:
    every chart's function is there for a place in the page."""
    page = report.as_html(report.collect(confirmed, with_mistakes=False) | {"mistakes": MISTAKES})
    names = re.findall(r'<section id="(\w+)" hidden>', page)
    script = page.split("<script>")[1]
    assert len(names) == 9 and all(f"function {name}(place" in script for name in names)
    for opening, closing in ("()", "[]", "{}"):
        code = re.sub(r"//.*|/\(\?.*|\"[^\"\n]*\"", "", script)
        assert code.count(opening) == code.count(closing)
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
    if browser is None:
        return
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
                *("--enable-logging=stderr", f"--user-data-dir={profile}", "--window-size=390,800"),
                (tmp_path / "report.html").as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert "CONSOLE" not in done.stderr, done.stderr  # no error, no warning, nothing refused
    assert "are taken for another class (10.0%)." in done.stdout
    epochs = done.stdout.split('id="curves"')[1].split('id="time"')[0]
    ticks = re.findall(r'text-anchor="middle">([\d.]+)</text>', epochs)
    assert ticks and all(tick.isdigit() for tick in ticks)  # no half of an epoch
    shown = re.findall(r'<section id="(\w+)"(?! hidden)', done.stdout)
    assert set(names) <= set(shown)
    assert done.stdout.count("<svg") > 8 and done.stdout.count("<circle") > 22
    assert "<img" not in done.stdout.split("<main>")[1].split('<script type="application/json"')[0]


def test_markdown_has_the_answer_and_no_markup(document):
    text = report.as_markdown(document)
    assert text.startswith("# mlp on digits\n")
    assert f"Trial {document['best']['trial_id']} is the best of 54" in text
    assert "<img" not in text and "| adam\\_rate | high edge" in text
    columns = [line.count("|") - line.count("\\|") for line in text.splitlines() if line[:1] == "|"]
    assert min(columns) >= 3


def test_edges(document, searched):
    found = {edge["name"]: edge["edge"] for edge in document["edges"]}
    assert found == {"adam_rate": "high", "sgd_rate": "high", "dropout": None}
    told = next(edge for edge in document["edges"] if edge["name"] == "adam_rate")
    assert told["advice"].endswith("best; try above 0.1, for instance to 1")
    ranked = [trial.hyperparameters.get("adam_rate") for trial in results.read(searched).trials]
    assert told["best"] == [rate for rate in ranked if rate][:3]


def test_a_name_in_two_scopes_is_described_once():
    def rate(low, high, optimizer):
        condition = {"class_name": "Parent", "config": {"name": "optimizer", "values": [optimizer]}}
        config = {"name": "rate", "min_value": low, "max_value": high, "conditions": [condition]}
        return {"class_name": "Float", "config": config | {"sampling": "log"}}

    found = domains([rate(0.1, 1.0, "adam"), rate(0.01, 0.5, "sgd")])
    assert len(found) == 1
    assert (found[0]["low"], found[0]["high"], found[0]["conditions"]) == (0.01, 1.0, [])


def test_the_schedule_of_a_member_of_a_population_is_told(tmp_path):
    first = {"epoch": 0, "source": None, "values": {"rate": 0.1}}
    copied = {"epoch": 4, "source": "0", "values": {"rate": 0.08}}
    events = {"0": [first], "1": [first | {"values": {"rate": 9.0}}, copied]}
    with SearchStore(tmp_path) as store:
        store.set_fact("objective", {"name": "loss", "direction": "min"})
        for number, (member, of_member) in enumerate(events.items()):
            values, score = of_member[-1]["values"], 1.0 - number
            row = TrialRow(member, number, "COMPLETED", store.space_number([]), values, score, 9)
            store.save_trial(dataclasses.replace(row, ended=number, note={"events": of_member}))
    found = report.collect(tmp_path)
    assert [(s["first_epoch"], s["end_epoch"], s["trial_id"]) for s in found["lineage"]] == [
        (0, 4, "0"),
        (4, 10, "1"),
    ]
    text = report.as_markdown(found)
    assert "| 1 to 4 | 0 | rate=0.1 |" in text and "| 5 to 10 | 1 | rate=0.08 |" in text
    assert "Schedule of the best model" in report.as_html(found)


def test_a_search_without_a_result_has_a_report_too(tmp_path):
    with SearchStore(tmp_path) as store:
        store.set_fact("objective", {"name": "loss", "direction": "min"})
    empty = report.collect(tmp_path)
    assert empty["best"] is None and empty["trials"] == []
    assert "no answer yet" in report.as_html(empty) and "no answer yet" in report.as_markdown(empty)
    with pytest.raises(UserError, match="nothing there"):
        report.collect(tmp_path / "none")


def test_from_the_command_line(searched, tmp_path, capsys):
    out = tmp_path / "mine.json"
    assert main(["report", str(searched), "--format=json", f"--output={out}", "--nomistakes"]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert json.loads(out.read_text())["best"]["rank"] == 1
    assert main(["report", str(searched), "--format=md", "--output=-", "--nomistakes"]) == 0
    assert capsys.readouterr().out.startswith("# mlp on digits")
    assert main(["report", str(searched), "--nomistakes"]) == 0
    assert (searched / "report.html").stat().st_size < 500_000
    assert main(["report", str(searched), "--nomistakes", f"--output={tmp_path}/no/where"]) == 2
    assert "no/where" in capsys.readouterr().err


def test_no_tensorflow_is_needed(searched):
    script = (
        "import sys; from tuner_app.results import report; "
        f"report.as_html(report.collect({str(searched)!r}, with_mistakes=False)); "
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'matplotlib')))"
    )
    root = Path(report.__file__).parents[3]
    subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(root)}, check=True
    )


def test_a_confirmed_winner_is_the_answer_and_the_ledger_is_told(confirmed, capsys):
    found = report.collect(confirmed, with_mistakes=False)
    third = [trial for trial in found["trials"] if trial["rank"] == 3][0]
    assert found["winner"] == third and found["best"]["rank"] == 1
    page = report.as_html(found)
    said = "".join(Page(page).said)
    assert '<p class="figure">0.9</p>' in page and "0.8800 to 0.9200, mean val_accuracy" in page
    for text in (said, report.as_markdown(found).replace("\\", "")):
        assert f"Trial {third['trial_id']} is better." in text
        assert "optimistic by 0.1500 (0.1000 to 0.2000)" in text and "0.013" in text
        assert "0.9000" in text  # as many digits as its interval
        assert f"On the test set trial {third['trial_id']} has accuracy 0.5000" in text
        assert "opened 2 times: only the first opening is a fair test" in text and "Ann" in text
    assert main(["results", str(confirmed)]) == 0
    printed = capsys.readouterr().out
    assert "Confirmed: Trial" in printed and "opened 2 times" in printed
