#!/usr/bin/env bash
# Searches with every GPU of this machine, one worker each:
#
#   launch/gpus.sh --dataset=tfds:cifar10 --space=cnn --max_trials=200
#   WORKERS=2 GPUS_PER_WORKER=0.5 launch/gpus.sh ...      # two workers share one GPU
#
# The first run installs the project into .venv, with TensorFlow for CUDA or, where --backend=jax is
# among the flags, with JAX for CUDA; flags go to `tuner-app search`. A search that was stopped goes on with:
#
#   .venv/bin/tuner-app resume DIR --engine=ray --num_workers=N --gpus_per_worker=1
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

gpus=$(nvidia-smi --list-gpus 2>/dev/null | grep -c '^GPU' || true)
if [ "${gpus:-0}" -eq 0 ]; then
  echo "nvidia-smi lists no GPU here. On a machine without one: launch/local.sh" >&2
  exit 2
fi
backend=${KERAS_BACKEND:-tensorflow}
for flag in "$@"; do
  case $flag in --backend=*) backend=${flag#*=} ;; esac
done
extras="[cuda,ray]"
if [ "$backend" = jax ]; then extras="[jax-cuda,ray]"; fi
use_environment "$extras"
exec "$environment/bin/tuner-app" search --engine=ray --num_workers="${WORKERS:-$gpus}" \
  --gpus_per_worker="${GPUS_PER_WORKER:-1}" "$@"
