"""The half that runs inside the isolation: sent there as source text, since the repository is not visible inside."""
