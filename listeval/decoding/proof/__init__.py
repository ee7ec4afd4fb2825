"""What an engine really keeps of a constraint: audited beforehand, and proven by the canary."""
