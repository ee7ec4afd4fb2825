"""The scorer against models whose log-probabilities are known, and against itself under another layout."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("transformers", reason="needs transformers")

from torch import nn  # noqa: E402
from torch.nn.functional import one_hot  # noqa: E402

from listeval.errors import UserError  # noqa: E402
from listopd import score  # noqa: E402
from listopd.batch import AnsweredPrompt, BatchLayout, pack, pad  # noqa: E402
from listopd.networks import checkpoint_activations  # noqa: E402
from listopd.score import Scorer, check_scorer, row_scores  # noqa: E402
from tests.listopd.tiny import tiny_model  # noqa: E402

CPU = torch.device("cpu")
STOP = 9
SEQUENCES = [
    AnsweredPrompt(tuple(range(20, 27)), (30, 31, 32, STOP)),
    AnsweredPrompt((40,), (41, STOP)),
    AnsweredPrompt(tuple(range(50, 53)), tuple(range(60, 71))),
    AnsweredPrompt(tuple(range(5)), (STOP,)),
]


class Table(nn.Module):
    """A bigram model: the logits after a token are its row of a table."""

    def __init__(self, table):
        super().__init__()
        self.head = nn.Linear(*table.shape, bias=False)
        self.head.weight.data = table.T.clone()
        self.config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(vocab_size=table.shape[1]))

    def base_model(self, input_ids, use_cache, position_ids=None):
        return SimpleNamespace(last_hidden_state=one_hot(input_ids, self.head.in_features).float())

    def get_output_embeddings(self):
        return self.head


def scores(network, sequences, lay=pad, **kwargs):
    """Log-probabilities of each sequence's answer, as lists of tensors."""
    batch = lay(sequences, CPU)
    logp = Scorer(network, **kwargs)(batch).logp
    return [row[kept] for row, kept in zip(logp, batch.mask, strict=True)]


@pytest.mark.parametrize("lay", [pad, pack])
def test_every_answer_token_gets_its_entry_of_a_table_model(lay):
    table = torch.randn(80, 80, generator=torch.Generator().manual_seed(0)) * 3
    expected = table.log_softmax(-1)
    with torch.no_grad():
        found = scores(Table(table), SEQUENCES, lay)
    for (prompt, answer), row in zip(SEQUENCES, found, strict=True):
        before = (prompt[-1], *answer[:-1])
        torch.testing.assert_close(row, expected[list(before), list(answer)])
        assert len(row) == len(answer), "the stop token has a log-probability too"


def test_padding_is_zero_and_entropy_and_top_are_of_the_same_row():
    table = torch.randn(80, 80, generator=torch.Generator().manual_seed(0)) * 3
    batch = pad(SEQUENCES, CPU)
    with torch.no_grad():
        found = Scorer(Table(table))(batch)
    assert all(not field[~batch.mask].any() for field in found)
    row = table[SEQUENCES[1].prompt[0]]
    assert float(found.entropy[1, 0]) == pytest.approx(float(torch.distributions.Categorical(logits=row).entropy()))
    assert float(found.top[1, 0]) == pytest.approx(float(row.softmax(-1).max()))


@pytest.fixture(scope="module")
def network():
    return tiny_model()


@torch.no_grad()
def test_alone_padded_packed_and_permuted_agree(network):
    alone = [scores(network, [sequence])[0] for sequence in SEQUENCES]
    padded, packed = scores(network, SEQUENCES), scores(network, SEQUENCES, pack)
    permuted = scores(network, SEQUENCES[::-1])[::-1]
    for one, *others in zip(alone, padded, packed, permuted, strict=True):
        for other in others:
            torch.testing.assert_close(other, one, atol=1e-5, rtol=0)


def gradient(network, lay=pad):
    network.zero_grad()
    (-torch.cat(scores(network, SEQUENCES, lay)).mean()).backward()
    return {name: parameter.grad.clone() for name, parameter in network.named_parameters()}


def test_packed_and_padded_have_one_gradient(network):
    padded, packed = gradient(network), gradient(network, pack)
    for name, grad in padded.items():
        torch.testing.assert_close(packed[name], grad, atol=2e-5, rtol=1e-4)


def test_chunks_change_neither_scores_nor_gradient(network, monkeypatch):
    whole = gradient(network)
    monkeypatch.setattr(score, "_CPU_CHUNK_BYTES", 4 * network.config.vocab_size * 3)
    torch.testing.assert_close(gradient(network), whole, atol=1e-6, rtol=1e-5)


def test_recomputed_activations_have_the_same_gradient():
    plain, recomputed = tiny_model(), tiny_model()
    checkpoint_activations(recomputed)
    assert recomputed.training and recomputed.is_gradient_checkpointing
    torch.testing.assert_close(gradient(recomputed), gradient(plain), atol=1e-6, rtol=1e-5)


def test_a_network_with_dropout_cannot_recompute():
    dropping = tiny_model()
    dropping.config.attention_dropout = 0.1
    with pytest.raises(UserError, match="dropout"):
        checkpoint_activations(dropping)


@torch.no_grad()
@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("lay", [pad, pack])
def test_equal_weights_score_equally_to_the_bit(compute, lay):
    with torch.autocast("cpu", torch.bfloat16, enabled=compute is torch.bfloat16):
        one, other = scores(tiny_model(3), SEQUENCES, lay), scores(tiny_model(3).train(), SEQUENCES, lay)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@torch.no_grad()
def test_temperature_divides_the_logits():
    table = torch.randn(80, 80, generator=torch.Generator().manual_seed(0))
    found = scores(Table(table), SEQUENCES, temperature=0.5)
    expected = (table / 0.5).log_softmax(-1)
    assert float(found[1][0]) == pytest.approx(float(expected[40, 41]))


@torch.no_grad()
def test_rows_beyond_the_tokenizer_have_no_probability():
    narrow = torch.randn(80, 80, generator=torch.Generator().manual_seed(0))
    wide = torch.cat([narrow, torch.full((80, 8), 30.0)], dim=1)
    found, expected = scores(Table(wide), SEQUENCES, vocab=80), scores(Table(narrow), SEQUENCES)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_a_bfloat16_head_keeps_the_tail_of_a_near_certain_row():
    # Qwen3's vocabulary, the mode 8 above a flat rest at logits around 20: bf16 log-probabilities would be 0.
    logits = torch.full((1, 151_936), 12.0 - 7.27)
    logits[0, 5] = 20.0
    network = SimpleNamespace(
        get_output_embeddings=lambda: lambda states: logits.bfloat16(), config=SimpleNamespace(), parameters=None
    )
    scorer = Scorer.__new__(Scorer)
    nn.Module.__init__(scorer)
    scorer.network, scorer.vocab, scorer.temperature = network, logits.shape[1], 1.0
    found = float(row_scores(scorer.logits(None), torch.tensor([5])).logp)
    exact = float(logits.double().log_softmax(-1)[0, 5])
    assert exact < -0.02
    assert found == pytest.approx(exact, rel=0.05)


def test_entropy_carries_a_gradient_only_when_asked(network):
    scorer, batch = Scorer(network), pad(SEQUENCES, CPU)
    assert not scorer(batch).entropy.requires_grad
    assert scorer(batch, entropy_grad=True).entropy.requires_grad


def test_the_check_passes_for_networks_that_we_know(network):
    for packed in (False, True):
        check_scorer(Scorer(network), BatchLayout(64, packed), "no", "tiny")


def test_a_head_that_scales_its_logits_is_refused():
    network = tiny_model()
    head = network.lm_head
    plain = head.forward
    network.get_output_embeddings = lambda: lambda states: plain(states * 3)
    with pytest.raises(UserError, match=r"nats from its own \(tiny\)"):
        check_scorer(Scorer(network), BatchLayout(64), "no", "tiny")


def test_an_attention_that_mixes_packed_sequences_is_refused():
    network = tiny_model()
    inner = network.model.forward
    network.model.forward = lambda *args, position_ids=None, **kwargs: inner(*args, **kwargs)
    check_scorer(Scorer(network), BatchLayout(64, packed=False), "no", "tiny")
    with pytest.raises(UserError, match="packing=off"):
        check_scorer(Scorer(network), BatchLayout(64, packed=True), "no", "tiny")
