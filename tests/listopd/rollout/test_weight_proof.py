"""Checksums of an engine's weights: of stacked, padded, packed and plain ones, whatever differs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from listopd.rollout import weight_proof  # noqa: E402
from listopd.rollout.weight_proof import WeightProof, checksum  # noqa: E402

SENT = {
    "layer.q_proj.weight": torch.randn(6, 4), "layer.k_proj.weight": torch.randn(2, 4),
    "embed.weight": torch.randn(5, 4), "norm.weight": torch.randn(4),
}  # fmt: skip


def engine(**changes):
    """Laid out as vLLM does: q and k under each other, the vocabulary padded, the layer packed or not."""
    packed = changes.pop("packed", False)
    weights = {name: changes.get(name.split(".")[-2], tensor) for name, tensor in SENT.items()}
    stacked = torch.cat([weights["layer.q_proj.weight"], weights["layer.k_proj.weight"]])
    padded = torch.cat([weights["embed.weight"], torch.zeros(3, 4)])
    module = SimpleNamespace(weight=torch.empty(0) if packed else stacked)
    if packed:
        module.cpu_linear = lambda x, weight, bias: x @ stacked.T
    named = {"layer.qk_proj.weight": module.weight, "embed.weight": padded, "norm.weight": weights["norm.weight"]}
    return SimpleNamespace(
        packed_modules_mapping={"qk_proj": ["q_proj", "k_proj"]},
        named_parameters=lambda: [*named.items(), *changes.get("more", {}).items()],
        named_modules=lambda: [("layer.qk_proj", module)],
    )


def findings(held, *, packed=False):
    proof = WeightProof(torch.float32, packed=packed)
    assert [name for name, _ in proof.marking(SENT.items())] == list(SENT)
    return proof(held)


@pytest.mark.parametrize("packed", [False, True])
def test_what_was_sent_is_found_in_any_layout(packed):
    found = findings(engine(packed=packed), packed=packed)
    assert len(found.same) == 3 and found.other == found.unread == []


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["q_proj", "k_proj", "embed", "norm"])
def test_one_changed_number_is_found(name, packed):
    (tensor,) = (tensor.clone() for full, tensor in SENT.items() if full.split(".")[-2] == name)
    tensor.view(-1)[-1] += 0.01
    found = findings(engine(packed=packed, **{name: tensor}), packed=packed)
    assert len(found.other) == 1 and {"q_proj": "qk_proj", "k_proj": "qk_proj"}.get(name, name) in found.other[0]


def test_what_was_not_sent_or_is_of_another_type_or_shape_is_not_called_equal():
    more = {
        "extra.weight": torch.ones(2),
        "norm.weight": SENT["norm.weight"].double(),
        "embed.weight": torch.ones(2, 4),
    }
    found = findings(engine(more=more))
    assert found.unread == list(more) and found.other == []


@given(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=40), st.data())
def test_a_checksum_sees_every_bit_and_the_order(values, data):
    tensor = torch.tensor(values, dtype=torch.int16).view(torch.bfloat16)
    at, bit = data.draw(st.integers(0, len(values) - 1)), data.draw(st.integers(0, 14))
    other = tensor.view(torch.int16).clone()
    other[at] ^= 1 << bit
    assert checksum(tensor) == checksum(tensor.clone()) != checksum(other.view(torch.bfloat16))
    flipped = tensor.flip(0)
    assert (checksum(flipped) == checksum(tensor)) == bool(
        (flipped.view(torch.int16) == tensor.view(torch.int16)).all()
    )


def test_a_checksum_of_many_chunks_sees_each(monkeypatch):
    monkeypatch.setattr(weight_proof, "_CHUNK", 16)
    tensor = torch.randn(100)
    sums = {checksum(tensor)}
    for at in range(100):
        changed = tensor.clone()
        changed[at] += 1
        sums.add(checksum(changed))
    assert len(sums) == 101
    swapped = torch.cat([tensor[16:32], tensor[:16], tensor[32:]])
    assert checksum(swapped) not in sums
