#!/usr/bin/env bash
# ListOPD on verl, from an environment that has verl 0.9.1, its vLLM and listeval on every node:
#   launch.sh [key=value ...]          e.g. actor_rollout_ref.model.path=CKPT data.train_files=train.jsonl
# Several nodes: start Ray on each first (`ray start --head` / `--address=HOST:6379`), and give trainer.nnodes=N.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=${LISTOPD_VERL_RECIPE:-listopd-8xh100}
# verl swallows what a plug-in raises while it loads; this does not.
python -m listopd.verl.check --config-path "$here" --config-name "$name" "$@"
exec python -m verl.trainer.main_ppo --config-path "$here" --config-name "$name" "$@"
