"""What a training will take, told from configurations alone: memory by its parts, and the floor of a step."""
