"""The networks that studies begin from: recipes of supervised training, accepted by what they measure.

The same recipe gives a start that parses half of its answers on one seed and all on another; so a start is taken by its
parse rate and by its log-odds at the binding separator, and one that does not fit is trained again from another seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from listeval.errors import UserError, did_you_mean
from listopd.lab.adamw import AdamW
from listopd.lab.chance import generator
from listopd.lab.held_out import HeldOut, held_out, judge
from listopd.lab.lab_decode import greedy
from listopd.lab.lab_target import separator_confidence
from listopd.lab.language import LabAnswers
from listopd.lab.network import Network

TRIES = 8
"""How often a start is trained, at most, until one is accepted."""
SETTLED = 24
_MEASURED = 256
_SPACING = 1_000
"""Between the seeds of two tries."""


@dataclass(frozen=True)
class Phase:
    """Supervised steps on right answers, of which a part `early` lack their last item."""

    steps: int
    batch: int
    lr: float
    early: float = 0.0
    cosine: bool = False


@dataclass(frozen=True)
class Window:
    """What is accepted: greedy parse rate on held-out prompts, and mean log-odds of going on after item K - 1."""

    parse: tuple[float, float] = (0.0, 1.0)
    log_odds: tuple[float, float] = (-math.inf, math.inf)

    def holds(self, found: MeasuredStart) -> bool:
        """Whether both figures are within."""
        (low, high), (least, most) = self.parse, self.log_odds
        return low <= found.parse <= high and least <= found.log_odds <= most


@dataclass(frozen=True)
class StartRecipe:
    """`origin` is the start that it goes on from (None: random weights); `noise` is added to that one's weights, as a
    part of each weight matrix' spread.
    """

    origin: str | None
    phases: tuple[Phase, ...]
    window: Window
    noise: float = 0.0
    ancestry: int = 0
    """Other random weights than those of recipes with another number."""
    settle: Phase | None = None
    """Trained again and again, up to `SETTLED` times, until the figures are within the window."""


class MeasuredStart(NamedTuple):
    """Of a start: its figures, and the seed that gave it."""

    parse: float
    fmc: float
    log_odds: float
    seed: int


class LabStart(NamedTuple):
    """Weights [P] on the CPU, each a float16 number, so that a file of half the size holds them exactly."""

    weights: Tensor
    measured: MeasuredStart


RECIPES: Mapping[str, StartRecipe] = {
    "teacher": StartRecipe(None, (Phase(350, 48, 5e-3, cosine=True),), Window(parse=(0.97, 1.0))),
    "T_soft": StartRecipe("teacher", (Phase(60, 48, 1e-3, early=0.03),), Window((0.95, 1.0), (2.5, 4.5))),
    "T_flip": StartRecipe("teacher", (Phase(100, 48, 1e-3, early=0.31),), Window((0.9, 1.0), (0.5, 1.1))),
    "S_sharp": StartRecipe("teacher", (Phase(80, 48, 5e-4, early=0.005),), Window((0.95, 1.0), (4.5, math.inf))),
    "S_half": StartRecipe(
        None,
        (Phase(200, 32, 5e-3, early=0.2), Phase(60, 32, 1e-3, early=0.5)),
        Window((0.3, 0.7)),
        ancestry=1,
        settle=Phase(4, 128, 3e-4, early=0.48),
    ),
    "T_noise": StartRecipe("S_sharp", (), Window((0.9, 1.0)), noise=0.05),
}
"""By the name that a study gives; `NAME@3` is the fourth of its kind."""


def split_name(name: str) -> tuple[str, int]:
    """The recipe and the number of a start. Raises UserError for one that does not exist."""
    recipe, _, number = name.partition("@")
    if recipe not in RECIPES or (number and not number.isdecimal()):
        cause = f"the laboratory has no start '{name}'"
        fix = did_you_mean(recipe, list(RECIPES)) or f"there are {', '.join(RECIPES)}, each also as NAME@1, NAME@2, ..."
        raise UserError(cause, fix=fix)
    return recipe, int(number or 0)


def full_name(recipe: str, number: int) -> str:
    """The shortest name of a start."""
    return f"{recipe}@{number}" if number else recipe


def with_origins(names: Sequence[str]) -> list[str]:
    """The starts and all that they go on from, each after its own origin, without repetition."""
    found: dict[str, None] = {}
    for name in names:
        recipe, number = split_name(name)
        origin = RECIPES[recipe].origin
        for needed in with_origins([full_name(origin, number)]) if origin else ():
            found[needed] = None
        found[full_name(recipe, number)] = None
    return list(found)


def train_starts(
    network: Network, names: Sequence[str], known: Mapping[str, LabStart], device: torch.device
) -> dict[str, LabStart]:
    """All starts of these names and their origins that are not `known`; those of one recipe side by side.

    Raises UserError where a recipe gives none that is accepted.
    """
    found = dict(known)
    wanted = [name for name in with_origins(names) if name not in found]
    for recipe in dict.fromkeys(split_name(name)[0] for name in wanted):
        numbers = [split_name(name)[1] for name in wanted if split_name(name)[0] == recipe]
        found |= _train_recipe(network, recipe, numbers, found, device)
    return {name: found[name] for name in with_origins(names)}


def _train_recipe(
    network: Network, name: str, numbers: list[int], known: Mapping[str, LabStart], device: torch.device
) -> dict[str, LabStart]:
    recipe, asked = RECIPES[name], held_out(network.language, _MEASURED)
    found: dict[str, LabStart] = {}
    last: list[MeasuredStart] = []
    for attempt in range(TRIES):
        left = [number for number in numbers if full_name(name, number) not in found]
        seeds = [number + _SPACING * attempt for number in left]
        flat = torch.stack([_begin(network, recipe, *both, known) for both in zip(left, seeds, strict=True)])
        flat = supervise(network, flat.to(device), recipe.phases, name, seeds)
        for settled in range(SETTLED + 1 if recipe.settle else 1):
            if recipe.settle and settled:
                flat = supervise(network, flat, [recipe.settle], f"{name}, settled {settled}", seeds)
            flat = flat.half().float()
            last = measure(network, flat, asked, seeds)
            for number, weights, measured in zip(left, flat.cpu(), last, strict=True):
                if recipe.window.holds(measured):
                    found.setdefault(full_name(name, number), LabStart(weights, measured))
            if all(full_name(name, number) in found for number in left):
                return found
    cause = f"{TRIES} trainings of the start '{name}' gave none within its window; the last measured {last[0]}"
    raise UserError(cause, place="laboratory", fix="other sizes of language or network, or another start")


def _begin(network: Network, recipe: StartRecipe, number: int, seed: int, known: Mapping[str, LabStart]) -> Tensor:
    if recipe.origin is None:
        return network.initial(seed * 10 + recipe.ancestry)
    weights = known[full_name(recipe.origin, number)].weights
    if not recipe.noise:
        return weights
    drawn = torch.randn(len(weights), generator=generator("noise", seed))
    return weights + recipe.noise * drawn * _spread(network, weights)


def _spread(network: Network, weights: Tensor) -> Tensor:
    """[P]: the standard deviation of the matrix that each weight belongs to; 0 for padding."""
    lengths = [rows * columns for rows, columns in network.shapes]
    parts = weights.split([*lengths, len(weights) - sum(lengths)])
    spreads = [part.std().expand(len(part)) for part in parts[:-1]]
    return torch.cat([*spreads, torch.zeros_like(parts[-1])])


def supervise(network: Network, flat: Tensor, phases: Sequence[Phase], name: str, seeds: Sequence[int]) -> Tensor:
    """Weights [A, P] after supervised training of each arm from its seed."""
    language = network.language
    for place, phase in enumerate(phases):
        adam = AdamW(flat.detach().clone())
        for step in range(phase.steps):
            drawn = [generator(f"supervised {name} {place}", seed, step) for seed in seeds]
            prompts = [language.prompts(phase.batch, chance) for chance in drawn]
            pairs = zip(prompts, drawn, strict=True)
            answers = [language.answers(asked, chance, phase.early) for asked, chance in pairs]
            tokens = torch.stack([torch.cat([p.tokens, a.tokens], -1) for p, a in zip(prompts, answers, strict=True)])
            mask = torch.stack([answer.mask for answer in answers]).to(flat.device)
            leaf = adam.flat.detach().requires_grad_()
            loss = _cross_entropy(network, leaf, tokens.to(flat.device), mask)
            loss.backward()
            rate = phase.lr * (0.5 * (1 + math.cos(math.pi * step / phase.steps)) if phase.cosine else 1.0)
            assert leaf.grad is not None, "the loss depends on the weights"
            adam.step(leaf.grad, torch.full((len(flat),), rate, device=flat.device))
        flat = adam.flat
    return flat


def _cross_entropy(network: Network, flat: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    first = network.language.prompt_length
    logits = network.logits(network.unpack(flat), tokens[..., :-1], first - 1)
    loss = F.cross_entropy(logits.flatten(0, 2), tokens[..., first:].flatten(), reduction="none").view(mask.shape)
    means = torch.where(mask, loss, 0.0).flatten(1).sum(-1) / mask.flatten(1).sum(-1)
    return means.sum()


def measure(network: Network, flat: Tensor, asked: HeldOut, seeds: Sequence[int]) -> list[MeasuredStart]:
    """The figures of weights [A, P], greedily on the held-out prompts."""
    prompts = asked.prompts.tokens.to(flat.device).expand(len(flat), -1, -1)
    answers = greedy(network, flat, prompts)
    found = []
    for at, seed in enumerate(seeds):
        outcomes = judge(network.language, asked, LabAnswers(answers.tokens[at].cpu(), answers.mask[at].cpu()))
        odds = float(separator_confidence(network, flat[at], asked).separators[:, network.language.items - 2].mean())
        parsed, fmc = sum(x.parsed for x in outcomes), sum(x.fmc for x in outcomes)
        found.append(MeasuredStart(parsed / len(outcomes), fmc / len(outcomes), odds, seed))
    return found
