"""A search's logs, and a real TensorBoard server to read them through."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Server:
    """`board.serve` in a process of its own, read over HTTP."""

    def __init__(self, project, port=0):
        # Ctrl-C works even where the tests were started in the background, which ignores it.
        code = (
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
            f"from tuner_app.tracking.board import serve; serve({str(project)!r}, {port})"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.line = self.process.stdout.readline()
        told = next((w for w in self.line.split() if w.startswith("http")), None)
        self.address = told and told.partition("?")[0]

    def get(self, path, **query):
        """What a GET returns: bytes."""
        url = self.address + "data/plugin/" + path + "?" + urllib.parse.urlencode(query)
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read()

    def post(self, path, body):
        """What a POST of JSON returns, parsed."""
        request = urllib.request.Request(
            self.address + "data/plugin/" + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def eventually(self, read, holds, seconds=30):
        """`read()` once `holds` is true of it: the server looks at the files every 2 seconds."""
        end = time.monotonic() + seconds
        while True:
            try:
                value = read()
                if holds(value):
                    return value
            except urllib.error.HTTPError:  # not there yet
                value = None
            assert time.monotonic() < end, f"TensorBoard still shows {value}"
            time.sleep(0.3)

    def stop(self):
        """Ctrl-C; gives the exit status, and the rest of both outputs."""
        self.process.send_signal(signal.SIGINT)
        rest, errors = self.process.communicate(timeout=120)
        return self.process.returncode, rest, errors


@pytest.fixture
def tensorboard():
    """Starts servers; the test stops them, or this does."""
    servers = []

    def start(project, port=0):
        servers.append(Server(project, port))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()
