"""What `auto` measures on rollouts is what teacher and base are, also where the rollouts left the teacher's path."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from listopd.extrapolation import AutoSpec, RolloutStats  # noqa: E402
from listopd.on_policy import _positions  # noqa: E402
from listopd.threshold import Positions, operating_threshold  # noqa: E402
from listopd.tokens import Labeller, TokenClass  # noqa: E402
from tests.listopd.tiny import tiny_tokenizer  # noqa: E402

ONE = SimpleNamespace(num_processes=1)
RIGHT = '[{"id":"a1","s":1},{"id":"b2","s":2},{"id":"c3","s":3}]'


@pytest.fixture(scope="module")
def tokens():
    tokenizer = tiny_tokenizer(merges=0)
    ids = tokenizer(RIGHT)["input_ids"]
    return ids, tokenizer.get_vocab(), Labeller(tokenizer, "id")


def crew(label):
    return SimpleNamespace(
        spec=SimpleNamespace(extrapolation=AutoSpec(), needs_base=True), accelerator=ONE, label=label
    )


def rollouts(tokens, p, b, n, wrong, generator):
    """`n` answers of a base: at each place the right token with probability b, else `wrong`; p and b are [T]."""
    ids, _, _ = tokens
    right = torch.tensor(ids).expand(n, -1)
    written = torch.rand(right.shape, generator=generator) < b
    scores = SimpleNamespace(top=p.expand(n, -1), mode=right)
    return SimpleNamespace(
        batch=SimpleNamespace(mask=torch.ones_like(right, dtype=torch.bool), answers=right.where(written, wrong)),
        keys=torch.arange(n).unsqueeze(1),
        teacher=SimpleNamespace(scores=scores),
        base=SimpleNamespace(scores=SimpleNamespace(other=b.log().expand(n, -1))),
    )


@pytest.mark.parametrize("bound", [0.1, 0.3, 0.5])
def test_auto_sees_the_true_threshold_however_seldom_the_base_is_right(tokens, bound):
    ids, vocabulary, label = tokens
    labels = label(ids)
    at = max(i for i, found in enumerate(labels) if found.kind is TokenClass.NEXT_ITEM)
    p, b = torch.full((len(ids),), 0.999), torch.full((len(ids),), 0.99)
    b[at] = bound
    scaffold = [i for i, found in enumerate(labels) if found.kind.is_scaffold]
    true = operating_threshold(Positions.of([0] * len(scaffold), p[scaffold], b[scaffold]), 5).value
    generator = torch.Generator().manual_seed(0)
    # A wrong token that is scaffold itself, and one that is none.
    for wrong in ("]", "x"):
        policy = AutoSpec(epsilon=0, smoothing=0, ceiling=9).build()
        part = rollouts(tokens, p, b, 400, vocabulary[wrong], generator)
        found = _positions(crew(label), [part])
        policy.step(RolloutStats(0, 400, found))
        # After a wrong token labels differ, so a few positions come and go.
        assert policy.values(None) == pytest.approx(true, abs=0.02)


def test_an_early_end_that_the_base_is_surer_of_bounds_it_before_the_filter(tokens):
    ids, vocabulary, label = tokens
    at = [i for i, found in enumerate(label(ids)) if found.kind is TokenClass.NEXT_ITEM][-1]
    ids_at = [i for i, found in enumerate(label(ids)) if found.kind is TokenClass.ID]
    p, b = torch.full((len(ids),), 0.999), torch.full((len(ids),), 0.99)
    p[at], b[at] = 0.69, 0.97
    p[ids_at], b[ids_at] = 0.55, 0.99  # which item comes next is free
    policy = AutoSpec(epsilon=0, ceiling=9).build()
    part = rollouts(tokens, p, b, 50, vocabulary["]"], torch.Generator().manual_seed(1))
    policy.step(RolloutStats(0, 50, _positions(crew(label), [part])))
    logit = torch.tensor([0.69, 0.97]).logit().tolist()
    assert policy.values(None) == pytest.approx(logit[1] / (logit[1] - logit[0]), abs=1e-3)
