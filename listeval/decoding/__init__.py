"""What a decoder is held to and what is made of its answers: constraints, engines, canary, repair."""
