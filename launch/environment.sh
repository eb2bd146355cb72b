# shellcheck shell=bash
# Sourced by launch/local.sh and tests/run.sh: makes .venv in the project's root and installs the
# project there, again only when what it is installed from has changed.
#
# use_environment EXTRAS    EXTRAS: "" or "[dev]". Afterwards $root and $environment are set.

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
environment=$root/.venv

find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.12 python3.11 python3.13 python; do
    # A name can be on PATH and still not start (a version manager's shim), hence the trial run.
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
      2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "Python 3.11, 3.12 or 3.13 is needed, and none of python3, python3.11, python3.12 and" \
    "python3.13 is one. Install one, or name it: PYTHON=/path/to/python3.12 $0" >&2
  return 1
}

# What the installation depends on, as one line; Python's version is in it.
installed_from() {
  "$environment/bin/python" - "$1" "$root/pyproject.toml" "$root/constraints.txt" <<'PYTHON'
import hashlib, pathlib, sys
contents = b"".join(pathlib.Path(name).read_bytes() for name in sys.argv[2:])
print(sys.version_info[:2], sys.argv[1], sys.prefix, hashlib.sha256(contents).hexdigest())
PYTHON
}

use_environment() {
  local extras=$1 python stamp wanted
  stamp=$environment/installed-from${extras//[^a-z]/}
  if ! "$environment/bin/python" -c 'import pip' 2>/dev/null; then
    python=$(find_python) || return 1
    rm -rf -- "$environment"
    echo "Making $environment with $("$python" --version)"
    if ! "$python" -m venv -- "$environment"; then
      rm -rf -- "$environment"
      echo "$python can't make a virtual environment. On Debian and Ubuntu the package" \
        "python3-venv is missing." >&2
      return 1
    fi
  fi
  wanted=$(installed_from "$extras") || return 1
  if [ "$(cat -- "$stamp" 2>/dev/null)" != "$wanted" ]; then
    echo "Installing into $environment (a few minutes, the first time)"
    rm -f -- "$stamp"
    # Without compiled bytecode every import of TensorFlow would take twice as long.
    env -u PYTHONDONTWRITEBYTECODE "$environment/bin/python" -m pip install --quiet --compile \
      --disable-pip-version-check --constraint "$root/constraints.txt" \
      --editable "$root$extras" || return 1
    printf '%s\n' "$wanted" >"$stamp"
  fi
}
