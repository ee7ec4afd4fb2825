"""Networks that are tables: the next token's log-odds are written down, so every answer is known on paper."""

from __future__ import annotations

import math

import torch

START, RIGHT, WRONG, STOP = range(4)
VOCAB = 4


def odds(*values: float) -> torch.Tensor:
    """(steps, V): at each step the log-odds of RIGHT against WRONG; STOP has no probability before the end."""
    rows = torch.full((len(values) + 1, VOCAB), -math.inf, dtype=torch.double)
    for place, value in enumerate(values):
        rows[place, RIGHT], rows[place, WRONG] = -math.log1p(math.exp(-value)), -math.log1p(math.exp(value))
    rows[-1, STOP] = 0.0
    return rows


class Table:
    """A network whose distribution depends on how many tokens were written, and on the prompt's first token only.

    `rows` is (prompts, steps, V) or (steps, V); `passes` counts the rows that were computed.
    """

    def __init__(self, rows: torch.Tensor) -> None:
        self.rows = rows if rows.dim() == 3 else rows.unsqueeze(0)
        self.passes = 0
        self.prompt = torch.zeros(0, dtype=torch.long)
        self.place = 0

    def start(self, prompts):
        self.prompt, self.place = torch.tensor([prompt[0] for prompt in prompts]) % len(self.rows), 0
        return self._now()

    def go_on(self, parents, tokens):
        self.prompt, self.place = self.prompt[parents], self.place + 1
        return self._now()

    def _now(self):
        self.passes += len(self.prompt)
        return self.rows[self.prompt, self.place]
