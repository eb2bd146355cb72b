#!/usr/bin/env bash
# Runs a Python script of yours, which makes a tuner and calls its `search`, as KerasTuner's chief and
# N workers on this machine:
#
#   launch/chief_and_workers.sh 2 my_search.py
#
# On several machines, start the script on each with the same variables, ORACLE_IP being the chief's
# address, and the tuner's directory on a disk that all see.
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

if [ $# -lt 2 ] || ! [[ $1 =~ ^[1-9][0-9]*$ ]]; then
  echo "Usage: launch/chief_and_workers.sh N SCRIPT.py [words]" >&2
  exit 2
fi
workers=$1
shift
use_environment ""
export KERASTUNER_ORACLE_IP=${ORACLE_IP:-127.0.0.1} KERASTUNER_ORACLE_PORT=${ORACLE_PORT:-8000}
KERASTUNER_TUNER_ID=chief "$environment/bin/python" "$@" &
chief=$!
for ((i = 0; i < workers; i++)); do
  KERASTUNER_TUNER_ID=worker$i "$environment/bin/python" "$@" &
done
wait "$chief"
