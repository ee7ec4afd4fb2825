"""What is thought before an answer takes no part in its labels, whatever it is made of, and is itself OTHER."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs torch")

from listeval.models.marks import MarkPair  # noqa: E402
from listeval.models.renderer import Renderer  # noqa: E402
from listopd.tokens import Labeller, TokenClass, TokenLabel  # noqa: E402
from tests.listopd.tiny import ANSWERS, END, tiny_tokenizer  # noqa: E402

PAIRS = {
    "think": MarkPair("<think>", "</think>"),
    "seed": MarkPair("<seed:think>", "</seed:think>"),
    "arrows": MarkPair("◁think▷", "◁/think▷"),
    "musing": MarkPair("<musing>", "</musing>"),
    "own": MarkPair("(((", ")))"),
}
DRAFTS = (
    "I look at each of them.",
    'The format is [{"id": "...", "s": n}, ...',
    'Maybe {"id": or "b2" first, [ then',
    '[{"id":"a1","s":7}] it is, or [1, 2',
    "naïve ☃ 🙂 “x” [",
)


def ids(text):
    return tiny_tokenizer().encode(text, add_special_tokens=False)


STOP = ids(END)


def labeller(marks):
    return Labeller(tiny_tokenizer(), "id", marks)


def kinds(labels):
    return {label.kind for label in labels}


@pytest.mark.parametrize("marks", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("draft", DRAFTS)
def test_an_answer_behind_a_thought_has_its_own_labels(marks, opened, answer, draft):
    label, written = labeller(marks), [*ids(answer), *STOP]
    thought = ids(f"{'' if opened else marks.opening}{draft}{marks.closing}\n\n")
    prompt = ids(f"rank a1 b2\n{marks.opening if opened else ''}\n")
    found = label([*thought, *written], prompt)
    assert found[len(thought) :] == label(written)
    assert kinds(found[: len(thought)]) == {TokenClass.OTHER}
    others = [*reversed(thought), *reversed(written)]
    there, alone = label.instead([*thought, *written], others, prompt), label.instead(written, others[len(thought) :])
    # At the place of the answer's first token it has begun, so another token there is its first, too.
    assert there[len(thought) :] == alone


@given(st.text(alphabet='[]{}":,a1 \n', max_size=30), st.sampled_from(ANSWERS))
def test_no_thought_reaches_into_the_answer(draft, answer):
    label, thought = labeller(None), ids(f"<think>{draft}</think>")
    found = label([*thought, *ids(answer)])
    assert found[len(thought) :] == label(ids(answer)) and kinds(found[: len(thought)]) == {TokenClass.OTHER}


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize("opened", [False, True])
def test_a_thought_that_never_ends_is_no_answer(draft, opened):
    label, prompt = labeller(None), ids("rank\n<think>" if opened else "rank")
    written = [*ids(("" if opened else "<think>") + draft), *STOP]
    assert kinds(label(written, prompt)) == {TokenClass.OTHER}
    assert kinds(label.instead(written, written, prompt)) == {TokenClass.OTHER}


def test_a_stop_right_behind_a_thought_ends_the_answer():
    found = labeller(None)([*ids("<think>So.</think>"), *STOP])
    assert found[-1] == TokenLabel(TokenClass.END, 0) and kinds(found[:-1]) == {TokenClass.OTHER}


@pytest.mark.parametrize("answer", [*ANSWERS, '[{"id":"<think>","s":1}]', '[{"id":"</think>x","s":1}]'])
@pytest.mark.parametrize("behind", ["", " That is all."])
def test_without_a_thought_nothing_changes(answer, behind):
    label = labeller(PAIRS["own"])
    written = [*ids(answer), *ids(behind)]
    assert label(written)[: len(ids(answer))] == label(ids(answer))
    assert label.instead(written, written) == label(written)


def test_a_thought_after_the_answer_ends_it():
    label, answer = labeller(None), ids(ANSWERS[0])
    found = label([*answer, *ids("<think>[{</think>"), *STOP])
    assert found[: len(answer)] == label(answer)
    assert kinds(found[len(answer) : -1]) == {TokenClass.OTHER}


def test_marks_that_are_special_tokens_are_seen():
    tokenizer = tiny_tokenizer.__wrapped__()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>", "<muse>", "</muse>"]})
    for opening, closing, own in (("<think>", "</think>", None), ("<muse>", "</muse>", ("<muse>", "</muse>"))):
        label = Labeller(tokenizer, "id", own and MarkPair(*own))
        thought = tokenizer.encode(f"{opening}The format is [{{{closing}", add_special_tokens=False)
        answer = tokenizer.encode(ANSWERS[0] + END, add_special_tokens=False)
        found = label([*thought, *answer])
        assert found[len(thought) :] == label(answer) and kinds(found[: len(thought)]) == {TokenClass.OTHER}


def test_verl_s_answers_are_labelled_alike(tmp_path):
    """Where the prompt is not at hand: a thought that it began ends all the same."""
    from listopd.verl.labels import labeller as of_worker
    from listopd.verl.labels import scaffold_of

    tiny_tokenizer.__wrapped__(THINKS).save_pretrained(tmp_path)
    label, answer = of_worker(str(tmp_path), "id"), [*ids(ANSWERS[0]), *STOP]
    thought = ids("The format is [{</musing>")
    written = torch.tensor([[*thought, *answer], [*answer, *[0] * len(thought)]])
    mask = torch.tensor([[True] * written.shape[1], [i < len(answer) for i in range(written.shape[1])]])
    right = [found.kind.is_scaffold for found in label(answer)]
    found = scaffold_of(written, mask, label).tolist()
    assert found[0] == [False] * len(thought) + right and found[1] == right + [False] * len(thought)


THINKS = (
    "{% for m in messages %}{% if m.get('reasoning_content') %}<musing>{{ m['reasoning_content'] }}</musing>{% endif %}"
    "{{ m['content'] + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant\n' }}<musing>{% endif %}"
)


def test_training_labels_what_an_evaluation_reads(pairs):
    """The prompt opens the thought by marks that only the template tells."""
    from types import SimpleNamespace

    from listopd.distillation import FrozenModels, prepare
    from listopd.extrapolation import AutoSpec
    from listopd.objective.spec import ObjectiveSpec
    from listopd.on_policy import _positions
    from listopd.questions import Question, training_task
    from listopd.recipe import Precision, Recipe
    from listopd.rollout.protocol import Rollout
    from listopd.score import Scorer
    from tests.listopd.tiny import tiny_model

    renderer, task = Renderer(tiny_tokenizer(THINKS)), training_task(Recipe(task="pairs"))
    asked = [renderer.render(example.messages).token_ids for example in task.load(None, 0).examples[:2]]
    thoughts = [ids("The format is [{</musing>\n"), ids("</musing>")]
    answer = [*ids(ANSWERS[0]), *STOP]
    rollouts = [
        Rollout(
            Question(str(i), prompt, (), None, i), (*thought, *answer), (0.0,) * (len(thought) + len(answer)), "stop"
        )
        for i, (prompt, thought) in enumerate(zip(asked, thoughts, strict=True))
    ]
    label = Labeller(renderer.tokenizer, "id", renderer.own_marks)
    frozen = FrozenModels(Scorer(tiny_model(1)), Scorer(tiny_model(0)))
    passes = prepare(rollouts, frozen, Scorer(tiny_model(0)), label, ObjectiveSpec(), Precision())
    right = [found.kind.is_scaffold for found in label(answer)]
    for part in passes:
        for key, scaffold, kept in zip(part.keys[:, 0].tolist(), part.scaffold, part.batch.mask, strict=True):
            assert scaffold[kept].tolist() == [False] * len(thoughts[key]) + right
    crew = SimpleNamespace(
        spec=SimpleNamespace(extrapolation=AutoSpec(), needs_base=True),
        accelerator=SimpleNamespace(num_processes=1), label=label,
    )  # fmt: skip
    found = _positions(crew, passes, dict(enumerate(asked)))
    assert 0 < len(found) <= 2 * len(answer)
