"""The exact permutation: its language, the byte automaton of it, and the grammars that stock engines need for it."""
