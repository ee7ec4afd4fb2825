"""The probe follows answers from where they begin: what is thought before is no step of the format."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("transformers", reason="needs transformers")

from listeval.backends.protocol import Prompt
from listeval.decoding.tokens.token_bytes import token_bytes
from listeval.errors import UserError
from listeval.models.marks import MarkPair
from listopd.curve.breaks import leaves
from listopd.probe.answers import ProbeQuestion, answered
from listopd.probe.observations import steps_of
from listopd.probe.odds import asked
from listopd.probe.probe_config import ProbeConfig
from listopd.probe.run_probe import probe
from listopd.probe.vocabulary import Vocabulary
from listopd.probe.walk import reference
from listopd.tokens import TokenTexts
from tests.listopd.tiny import ANSWERS, save, tiny_tokenizer

OPENED = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}<think>\n{% endif %}"
OWN = MarkPair("(((", ")))")
THOUGHTS = ("<think>The format is [{</think>\n", "</think>", "((([1, 2 ☃))) ", "I look at each.</think>\n\n")


def ids(text):
    return tuple(tiny_tokenizer().encode(text, add_special_tokens=False))


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary(token_bytes(tiny_tokenizer()), [tiny_tokenizer().eos_token_id])


def written(*texts, stopped=True, prompt="rank"):
    """An answer of these texts, none merged with another."""
    question = ProbeQuestion("q", Prompt((), prompt, ids(prompt)), (), None, reference(ANSWERS[0].encode(), "id"), 0, 0)
    tokens = tuple(token for text in texts for token in ids(text))
    return answered(question, tokens, TokenTexts(tiny_tokenizer(), OWN), stopped=stopped)


@pytest.mark.parametrize("thought", THOUGHTS)
@pytest.mark.parametrize("answer", [*ANSWERS, '[{"id":"a1","s":7}]', "Sorry, [1]"])
@pytest.mark.parametrize("stopped", [True, False])
def test_the_steps_of_an_answer_are_its_own(vocabulary, thought, answer, stopped):
    late, alone = written(thought, answer, stopped=stopped), written(answer, stopped=stopped)
    found, own = (asked(one.tokens, steps_of(one, vocabulary), vocabulary.texts) for one in (late, alone))
    before, letters = len(ids(thought)), len(thought.encode())
    # Spaces behind the thought are the answer's, and no step of it.
    assert own and len(ids(thought.rstrip())) == late.thought <= before
    assert found == [
        one._replace(row=one.row + before, step=one.step._replace(at=one.step.at + letters)) for one in own
    ]
    assert leaves(late, vocabulary) == leaves(alone, vocabulary)


@pytest.mark.parametrize("prompt", ["rank", "rank\n<think>"])
def test_a_thought_without_an_end_has_no_steps(vocabulary, prompt):
    found = written(("" if "<think>" in prompt else "<think>") + ANSWERS[0], prompt=prompt)
    assert found.thought == len(found.tokens) and not list(steps_of(found, vocabulary))


def test_right_answers_are_not_measured_as_thoughts(tmp_path):
    models = {
        name: str(save(tmp_path / name, tiny_tokenizer(OPENED), seed=seed, width=300))
        for seed, name in enumerate(("base", "teacher"))
    }
    asked = {"task": "fashion", "options": {"k": 2}, "limit": 2, "max_tokens": 12, "bootstrap": 100, **models}
    for on in ("gold", "both"):
        with pytest.raises(UserError, match="a right answer behind it is a thought") as refused:
            probe(ProbeConfig(**asked, on=on))
        assert refused.value.fix.startswith("--on rollouts") and "\n" not in str(refused.value)
    with pytest.raises(UserError, match="no answer has a step"):
        probe(ProbeConfig(**asked, on="rollouts"))  # random models never end their thought
