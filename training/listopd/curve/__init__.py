"""The target curve: what greedy decoding from the extrapolated target gives at each λ, before anything is trained."""
