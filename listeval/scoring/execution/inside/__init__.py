"""The half that runs inside the isolation: sent there compiled, since the repository is not visible inside."""
