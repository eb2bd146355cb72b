#!/usr/bin/env bash
# Searches on this machine, from nothing but Python 3.11, 3.12 or 3.13:
#
#   launch/local.sh                                  an MLP for handwritten digits
#   launch/local.sh --dataset=csv:sales.csv?target=price --max_trials=50
#
# The first run installs the project into .venv; flags go to `tuner-app search`. Each run is a new
# search: without --project it is kept in ./tuning/NAME, then ./tuning/NAME-2, and so on.
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

use_environment ""
exec "$environment/bin/tuner-app" search "$@"
