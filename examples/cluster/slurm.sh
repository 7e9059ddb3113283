#!/usr/bin/env bash
#SBATCH --job-name=resize
#SBATCH --array=1-8
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --signal=B:TERM@60
# Eight tasks of an array: sbatch slurm.sh INPUTS.. -o DIR
# With LONGSHORE_NATS each is a worker of a batch that `resize push` has published; without, each does its part.
set -euo pipefail
resize=${RESIZE:-resize}
if [ -n "${LONGSHORE_NATS:-}" ]; then
    exec "$resize" work -j "${SLURM_CPUS_PER_TASK:-1}" --root "${ROOT:-$PWD}" --worker "slurm-${SLURM_ARRAY_TASK_ID:-0}"
fi
exec "$resize" "$@" -j "${SLURM_CPUS_PER_TASK:-1}" --shard auto
