"""Before a launch, on every node: is the plug-in there, and does the configuration train the objective?

    python -m listopd.verl.check --config-path DIR --config-name NAME [key=value ...]

Takes verl's own arguments. Exit code 2 and one line where something is missing or contradicts the objective; else the
objective, its digest (that of a run of `listeval train`) and what Hydra made of the keys.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from listeval.cli.say import say
from listeval.errors import UserError, first_line
from listopd.verl.terms import PLACE, Terms

_TESTED = (0, 9)


def compose(path: Path, name: str, changes: Sequence[str] = ()) -> Any:
    """The whole configuration, as verl's main composes it. Raises UserError for keys and files that are not there."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(str(path.resolve()), version_base=None):
            return hydra_compose(name, list(changes))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(first_line(error), place=str(path / name)) from None


def check(config: Any) -> Terms:
    """What the configuration trains. Raises UserError for whatever would train something else, or fail in a worker."""
    import verl
    from hydra.errors import InstantiationException
    from hydra.utils import get_class, instantiate

    from listopd.verl.config import ListopdLossConfig, require_plugin

    if tuple(map(int, verl.__version__.split(".")[:2])) != _TESTED:
        cause = f"verl {verl.__version__} is not what the plug-in was written for"
        raise UserError(cause, place="verl", fix="pip install 'verl>=0.9.1,<0.10'")
    require_plugin()
    told = config.distillation.distillation_loss
    if not issubclass(get_class(told.get("_target_") or ""), ListopdLossConfig):
        cause = f"the loss is built as {told.get('_target_')}, which knows no objective"
        fix = f"{PLACE}._target_=listopd.verl.config.ListopdLossConfig"
        raise UserError(cause, place=PLACE, fix=fix)
    try:
        terms: Terms = instantiate(told, _convert_="partial").terms()
    except InstantiationException as error:
        cause_ = error.__cause__
        if isinstance(cause_, UserError):
            raise cause_ from None
        raise UserError(first_line(cause_ or error), place=PLACE) from None
    _keys(config, terms)
    return terms


def _keys(config: Any, terms: Terms) -> None:
    """verl's other keys that the objective rests on."""
    actor, rollout = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout
    spec, answers = terms.objective, config.data.train_batch_size
    from listopd.verl.terms import AGGREGATES

    wanted: list[tuple[str, Any, Any]] = [
        ("distillation.enabled", config.distillation.enabled, True),
        ("actor_rollout_ref.actor.loss_agg_mode", actor.loss_agg_mode, AGGREGATES[spec.aggregate]),
        ("actor_rollout_ref.actor.ppo_epochs", actor.ppo_epochs, spec.epochs),
        ("actor_rollout_ref.actor.ppo_mini_batch_size", actor.ppo_mini_batch_size, answers // spec.minibatches),
        ("actor_rollout_ref.rollout.temperature", rollout.temperature, spec.temperature),
        ("actor_rollout_ref.rollout.top_p", rollout.top_p, 1),
        ("actor_rollout_ref.rollout.top_k", rollout.top_k, -1),
        ("data.truncation", config.data.truncation, "error"),
        ("algorithm.rollout_correction.rollout_is", config.algorithm.rollout_correction.rollout_is, None),
        ("algorithm.rollout_correction.rollout_rs", config.algorithm.rollout_correction.get("rollout_rs"), None),
    ]
    if spec.base == "start":
        wanted.append(("actor_rollout_ref.actor.use_kl_loss", actor.use_kl_loss, True))
    if spec.clips.rollout_cap is not None:
        wanted.append(("actor_rollout_ref.rollout.calculate_log_probs", rollout.calculate_log_probs, True))
    for key, found, value in wanted:
        if found != value:
            told = json.dumps(value)
            raise UserError(f"{key} is {json.dumps(found)}, the objective needs {told}", place=key, fix=f"{key}={told}")


def main(arguments: Sequence[str]) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m listopd.verl.check")
    parser.add_argument("--config-path", type=Path, required=True)
    parser.add_argument("--config-name", required=True)
    told, changes = parser.parse_known_args(arguments)
    try:
        terms = check(compose(told.config_path, told.config_name, changes))
    except UserError as error:
        say(f"error: {error}", err=True)
        return 2
    spec, lam = terms.objective.model_dump_json(exclude_defaults=True), terms.extrapolation.model_dump_json()
    say(f"listopd: objective {spec} {terms.objective.digest()[:12]}, extrapolation {lam}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
