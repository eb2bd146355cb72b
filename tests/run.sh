#!/usr/bin/env bash
# Checks the whole project, or the part that is named:
#
#   tests/run.sh                          style, every test, every example in a docstring
#   tests/run.sh tests/cli -k resume      these tests only; all words go to pytest
#
# The first run installs the project and what its tests need into .venv.
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../launch/environment.sh"

use_environment "[dev]"
cd -- "$root"
python=$environment/bin/python
"$python" -m ruff check .
"$python" -m ruff format --check .
if [ $# -gt 0 ]; then
  exec "$python" -m pytest "$@"
fi
exec "$python" -m pytest -n 3 --dist loadfile --doctest-modules tests tuner_app search_spaces
