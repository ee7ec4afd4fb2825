"""Arms side by side compute what an ordinary module computes, each as if it were alone."""

import pytest
import torch
from torch.nn import functional as F

from listopd.lab.language import Language
from listopd.lab.network import Cache, Network, Sizes
from tests.listopd.lab.oracle import Plain

NETWORKS = [
    Network(Language()),
    Network(Language(items=3, ids=6, id_length=2, words=2), Sizes(layers=3, width=24, heads=3, hidden=40)),
]


def arms_of(network, count):
    return torch.stack([network.initial(seed) for seed in range(count)]) * 1.5


def tokens_of(network, arms, rows=4):
    language = network.language
    shape = (arms, rows, language.prompt_length + language.answer_length)
    return torch.randint(language.symbols, shape, generator=torch.Generator().manual_seed(1))


def gradient(network, flat, tokens):
    leaf = flat.clone().requires_grad_()
    logits = network.logits(network.unpack(leaf), tokens[..., :-1])
    F.cross_entropy(logits.flatten(0, -2), tokens[..., 1:].flatten(), reduction="sum").backward()
    return logits.detach(), leaf.grad


@pytest.mark.parametrize("network", NETWORKS)
def test_logits_and_gradients_are_those_of_a_module(network):
    flat, tokens = arms_of(network, 3), tokens_of(network, 3)
    logits, grads = gradient(network, flat, tokens)
    for arm in range(3):
        plain = Plain(network, flat[arm])
        found = plain(tokens[arm, :, :-1])
        F.cross_entropy(found.flatten(0, -2), tokens[arm, :, 1:].flatten(), reduction="sum").backward()
        torch.testing.assert_close(logits[arm], found, atol=2e-5, rtol=1e-5)
        expected = plain.flat(lambda part: part.weight.grad)
        torch.testing.assert_close(grads[arm, : network.parameters], expected, atol=1e-4, rtol=1e-4)
        assert (grads[arm, network.parameters :] == 0).all()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("arm", [0, 17, 63])
def test_an_arm_alone_is_the_arm_among_63_others_to_the_bit(network, arm):
    flat, tokens = arms_of(network, 64), tokens_of(network, 64, rows=4)
    alone = slice(arm, arm + 1)
    for among, own in zip(gradient(network, flat, tokens), gradient(network, flat[alone], tokens[alone]), strict=True):
        assert torch.equal(among[alone], own)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_cache_gives_the_logits_of_the_whole(network):
    flat, tokens = arms_of(network, 2), tokens_of(network, 2)
    whole = network.logits(network.unpack(flat), tokens)
    first = network.language.prompt_length
    cache = Cache(network, flat, tokens.shape[1])
    torch.testing.assert_close(cache.read(tokens[..., :first]), whole[:, :, first - 1], atol=2e-5, rtol=1e-5)
    for at in range(first, tokens.shape[-1]):
        torch.testing.assert_close(cache.read(tokens[..., at : at + 1]), whole[:, :, at], atol=2e-5, rtol=1e-5)


def test_an_arm_reads_from_its_cache_as_if_alone():
    network = NETWORKS[0]
    flat, tokens = arms_of(network, 64), tokens_of(network, 64, rows=4)
    first = network.language.prompt_length
    among, own = Cache(network, flat, 4), Cache(network, flat[9:10], 4)
    assert torch.equal(among.read(tokens[..., :first])[9:10], own.read(tokens[9:10, :, :first]))
    for at in range(first, tokens.shape[-1]):
        assert torch.equal(among.read(tokens[..., at : at + 1])[9:10], own.read(tokens[9:10, :, at : at + 1]))


def test_logits_from_a_place_on_are_the_last_of_all():
    network = NETWORKS[0]
    flat, tokens = arms_of(network, 2), tokens_of(network, 2)
    weights = network.unpack(flat)
    torch.testing.assert_close(network.logits(weights, tokens, 15), network.logits(weights, tokens)[:, :, 15:])
