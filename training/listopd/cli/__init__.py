"""The verbs of the trainer: train, probe, cliff."""
