"""The head's products are summed and kept in float32, whatever their factors were rounded to."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from torch import nn  # noqa: E402

from listopd.head import head_logits  # noqa: E402


def made(bias=False, seed=0, n=40, hidden=64, vocabulary=500):
    generator = torch.Generator().manual_seed(seed)
    head = nn.Linear(hidden, vocabulary, bias=bias)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return head.requires_grad_(False), torch.randn(n, hidden, generator=generator)


@pytest.mark.parametrize("bias", [False, True])
def test_in_float32_it_is_the_head_itself_to_the_bit(bias):
    head, states = made(bias)
    assert torch.equal(head_logits(head, states), head(states))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
def test_rounded_factors_have_an_unrounded_product(bias, stored):
    head, states = made(bias)
    head = head.to(stored)
    exact = states.bfloat16().double() @ head.weight.bfloat16().double().T
    if bias:
        exact = exact + head.bias.double()
    with torch.autocast("cpu", torch.bfloat16, enabled=stored is torch.float32):
        ours, rounded = head_logits(head, states.to(stored)), head(states.to(stored))
    assert ours.dtype == torch.float32 and rounded.dtype == torch.bfloat16
    assert float((ours - exact).abs().max()) < 1e-4 < 1e-2 < float((rounded - exact).abs().max())


def test_its_gradients_are_those_of_autocast():
    def gradients(logits_of):
        head, states = made()
        head.requires_grad_(), states.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            logits = logits_of(head, states).float()
        (logits * torch.linspace(-1, 1, logits.numel()).view_as(logits)).sum().backward()
        return head.weight.grad, states.grad

    ours, plain = gradients(head_logits), gradients(lambda head, states: head(states))
    for one, other in zip(ours, plain, strict=True):
        assert one.dtype == torch.float32
        assert torch.allclose(one, other, rtol=0.02, atol=0.02 * float(other.abs().max()))


def test_a_head_of_another_kind_is_left_to_itself():
    class Scaled(nn.Linear):
        def forward(self, states):
            return 2 * super().forward(states)

    head = Scaled(4, 6)
    states = torch.randn(3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(head_logits(head, states), head(states))


def test_rounding_the_product_moves_log_probabilities_of_the_scaffold_and_ours_does_not():
    """A near-deterministic row: the modal token's log-probability is the signal, some 1e-3 nats."""
    head, states = made(n=400, hidden=128)
    with torch.no_grad():
        wide = states.bfloat16().float() @ head.weight.bfloat16().float().T
        mode = wide.argmax(-1)
        # A head whose modal logits are some 8 above the rest, as at a `}` to `,`.
        head.weight += 0
        lift = torch.zeros_like(wide).scatter_(1, mode.unsqueeze(1), 6.0)
        exact = (wide + lift).double().log_softmax(-1).gather(1, mode.unsqueeze(1))
        with torch.autocast("cpu", torch.bfloat16):
            ours = (head_logits(head, states) + lift).log_softmax(-1).gather(1, mode.unsqueeze(1))
            rounded = (head(states).float() + lift).log_softmax(-1).gather(1, mode.unsqueeze(1))
    assert float((ours - exact).abs().mean()) * 20 < float((rounded - exact).abs().mean())
