"""Cliff studies: predict before training, lock the prediction, sweep λ, and say what was true."""
