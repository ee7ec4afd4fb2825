"""The objective as pure functions on tensors: no model, no loop, no device; `spec` needs no torch."""
