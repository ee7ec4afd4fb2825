"""AdamW over arms is torch's AdamW with torch's gradient clip, arm by arm."""

import torch

from listopd.lab.adamw import CLIP, DECAY, AdamW, norms


def test_every_arm_moves_as_in_torch():
    chance = torch.Generator().manual_seed(0)
    flat = torch.randn(3, 128, generator=chance)
    rates = [1e-3, 5e-3, 2e-2]
    plain = [torch.nn.Parameter(row.clone()) for row in flat]
    peers = [torch.optim.AdamW([one], lr=lr, weight_decay=DECAY) for one, lr in zip(plain, rates, strict=True)]
    ours = AdamW(flat.clone())
    for step in range(20):
        gradient = torch.randn(3, 128, generator=chance) * (0.01 if step % 2 else 3.0)
        found = ours.step(gradient, torch.tensor(rates))
        for arm, (one, peer) in enumerate(zip(plain, peers, strict=True)):
            one.grad = gradient[arm].clone()
            expected = torch.nn.utils.clip_grad_norm_([one], CLIP)
            torch.testing.assert_close(found[arm], expected)
            peer.step()
    for arm, one in enumerate(plain):
        torch.testing.assert_close(ours.flat[arm], one.data, atol=2e-6, rtol=1e-5)


def test_a_gradient_that_is_no_number_moves_nothing_and_is_counted():
    flat = torch.randn(2, 64)
    gradient = torch.randn(2, 64)
    ours, alone = AdamW(flat.clone()), AdamW(flat[1:].clone())
    for step in range(3):
        broken = gradient.clone()
        if step == 1:
            broken[0, 5] = torch.nan
        before = ours.flat[0].clone()
        ours.step(broken, torch.tensor([1e-2, 1e-2]))
        alone.step(gradient[1:], torch.tensor([1e-2]))
        assert torch.equal(ours.flat[0], before) == (step == 1)
    assert ours.failed.tolist() == [1, 0]
    assert torch.equal(ours.flat[1:], alone.flat)


def test_norms_do_not_depend_on_the_number_of_arms():
    rows = torch.randn(64, 64 * 900)
    assert torch.equal(norms(rows)[7:8], norms(rows[7:8]))
    torch.testing.assert_close(norms(rows), torch.linalg.vector_norm(rows.double(), dim=1).float())
