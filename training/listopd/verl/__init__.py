"""ListOPD's objective on verl, for training over many nodes; importing this imports no verl.

`plugin` is what verl loads by its entry point group `verl.plugins`, `config` is what Hydra builds from verl's own
YAML, `check` says before a launch whether both were found. verl 0.9.1; end to end on GPUs it was never run here.
"""

NAME = "listopd"
"""The loss mode: `distillation.distillation_loss.loss_mode=listopd`."""
