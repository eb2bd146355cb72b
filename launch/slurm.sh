#!/usr/bin/env bash
#SBATCH --job-name=tuner-app
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
# A search on the nodes of a SLURM job, one worker a node:
#
#   sbatch launch/slurm.sh PROJECT [flags of tuner-app search]
#   sbatch --nodes=4 --gpus-per-node=1 launch/slurm.sh /shared/digits --max_trials=500
#
# PROJECT and the project's .venv (made by launch/local.sh, with the extra [ray]) must be on a disk
# that all nodes see. Two minutes before the time is up the search is stopped, and the job queued
# again; it then goes on where it was.
set -euo pipefail

project=${1:?Usage: sbatch launch/slurm.sh PROJECT [flags of tuner-app search]}
shift
bin=${TUNER_APP_BIN:-$SLURM_SUBMIT_DIR/.venv/bin}
nodes=$SLURM_JOB_NUM_NODES
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)
port=$((20000 + SLURM_JOB_ID % 20000))
gpus=${SLURM_GPUS_ON_NODE:-0}
# Whoever reaches a Ray's ports can run code as you. This one answers only those that know the token,
# which goes to the nodes with srun's environment.
export RAY_AUTH_MODE=token
export RAY_AUTH_TOKEN=${RAY_AUTH_TOKEN:-$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')}
resources=(--num-cpus="${SLURM_CPUS_PER_TASK:-1}" --num-gpus="$gpus")

srun --nodes=1 --ntasks=1 --nodelist="$head" \
  "$bin/ray" start --head --node-ip-address="$head" --port="$port" "${resources[@]}" \
  --include-dashboard=false --block &
for _ in $(seq 60); do
  "$bin/ray" status --address="$head:$port" >/dev/null 2>&1 && break
  sleep 2
done
if [ "$nodes" -gt 1 ]; then
  srun --nodes=$((nodes - 1)) --ntasks=$((nodes - 1)) --exclude="$head" \
    "$bin/ray" start --address="$head:$port" "${resources[@]}" --block &
  # A worker takes its share of the cores that are there when it begins.
  for _ in $(seq 60); do
    [ "$("$bin/ray" status --address="$head:$port" 2>/dev/null | grep -c ' node_')" -ge "$nodes" ] && break
    sleep 2
  done
fi

if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then
  # The job runs once at a time, so this is of its last run, whose node may have died.
  rm -f "$project/search.lock"
fi
if [ -f "$project/search.db" ]; then
  command=(resume "$project")
else
  command=(search --project="$project" "$@")
fi
"$bin/tuner-app" "${command[@]}" --engine=ray --ray_address="$head:$port" \
  --num_workers="$nodes" --gpus_per_worker="$gpus" &
search=$!

# shellcheck disable=SC2329  # the trap calls it
stop_and_queue_again() {
  kill -TERM "$search"
  wait "$search" || true
  scontrol requeue "$SLURM_JOB_ID"
  exit 0
}
trap stop_and_queue_again TERM

status=0
wait "$search" || status=$?
"$bin/ray" stop >/dev/null 2>&1 || true
exit "$status"
