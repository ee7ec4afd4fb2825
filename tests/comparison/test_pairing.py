"""What is joined, what is refused, and that everything left out is counted."""

import fcntl

import pytest
from planted import edit_manifest, edit_rows, ranked

from listeval.comparison import compare
from listeval.errors import UserError
from listeval.runs import RunConfig, run
from listeval.runs.preparation import _WORDS


def test_rows_are_joined_on_example_and_seed(make_run):
    a = make_run("a", limit=10, seeds=(0, 1))
    b = make_run("b", limit=10, seeds=(1, 0), model="other")
    found = compare([a, b])
    assert len(found.pairing.keys) == 20
    assert found.pairing.seeds == [0, 1]
    for left, right in zip(*found.pairing.rows, strict=True):
        assert (left.example, left.seed, left.prompt) == (right.example, right.seed, right.prompt)
    assert found.pairing.left_out == {}
    assert found.pairing.notes == []


def test_samples_of_one_run_only_are_counted(make_run):
    found = compare([make_run("a", limit=12), make_run("b", limit=9, model="b")])
    assert len(found.pairing.keys) == 9
    assert found.pairing.left_out == {"not in every run (in a)": 3}


def test_errors_and_unscored_rows_are_left_out_and_counted(make_run):
    a, b = make_run("a", ranked, limit=10), make_run("b", ranked, limit=10, model="b")

    def fail(row):
        if row["index"] < 2:
            row.update(outcome="error", kind="engine_error", scores={})
        elif row["index"] == 2:
            row.update(outcome="unscored", reason="sandbox", scores={})

    edit_rows(b, fail)
    found = compare([a, b])
    assert len(found.pairing.keys) == 7
    assert found.pairing.left_out == {"error in b": 2, "unscored in b": 1}


def test_another_k_shares_no_target(make_run):
    a = make_run("a", limit=8)
    b = make_run("b", limit=8, options={"k": 4})
    with pytest.raises(UserError, match=r"no sample can be paired|share no example"):
        compare([a, b])


def test_another_prompt_is_refused_unless_asked_for(make_run):
    a, b = make_run("a", limit=8), make_run("b", limit=8, options={"shots": 1})
    with pytest.raises(UserError, match=r"different prompt: 8.*--across-prompts"):
        compare([a, b])
    found = compare([a, b], across_prompts=True)
    assert len(found.pairing.keys) == 8
    assert any("8 rendered prompts differ (another prompt" in note for note in found.pairing.notes)


def test_another_chat_template_pairs_with_a_note(make_run):
    a, b = make_run("a", limit=8), make_run("b", limit=8, model="b")
    edit_manifest(b, lambda values: values["identity"]["model"].update(template="another"))
    edit_rows(b, lambda row: row.update(prompt=f"<|user|>{row['prompt']}"))
    found = compare([a, b])
    assert len(found.pairing.keys) == 8
    assert found.pairing.notes == ["b: 8 rendered prompts differ (same messages, another chat template)"]


def test_a_prompt_that_differs_under_one_template_is_left_out(make_run):
    a, b = make_run("a", limit=8), make_run("b", limit=8, model="b")
    edit_rows(b, lambda row: row.update(prompt="tampered") if row["index"] == 3 else None)
    assert compare([a, b]).pairing.left_out == {"different prompt": 1}


def test_other_data_with_equal_prompts_is_noted(make_run):
    a, b = make_run("a", limit=8), make_run("b", limit=8, model="b")
    edit_manifest(b, lambda values: values["data"]["0"].update(fingerprint="another"))
    assert compare([a, b]).pairing.notes == [
        "b: the data's fingerprint differs; targets and prompts of the pairs are equal"
    ]


def test_runs_that_share_no_example_say_why(make_run, tmp_path):
    a, b = make_run("a", limit=5), make_run("b", limit=5, seeds=(3,), model="b")
    with pytest.raises(UserError, match=r"share no example: seeds \[0\] and \[3\]"):
        compare([a, b])
    c = make_run("c", limit=5, data=None, options={"split": "all"})
    with pytest.raises(UserError, match="share no example: their data are"):
        compare([a, c])


def test_a_run_that_is_being_written_is_refused(make_run):
    a, b = make_run("a", limit=5), make_run("b", limit=5, model="b")
    with (b / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="still being written"):
            compare([a, b])
    assert len(compare([a, b]).pairing.keys) == 5


@pytest.mark.parametrize(
    ("specs", "said"),
    [
        (["a"], "one arm cannot be compared"),
        (["a", "a"], "named twice"),
        (["a", "nowhere"], "not a run"),
        (["a", "a+permutaton"], "did you mean 'permutation'"),
        (["a", "nowhere+permutation"], "not a run"),
    ],
)
def test_arms_that_are_none(make_run, specs, said):
    folder = make_run("a", limit=5).parent
    with pytest.raises(UserError, match=said):
        compare([folder / spec for spec in specs])


def test_a_run_without_rows_is_refused(make_run):
    a, b = make_run("a", limit=5), make_run("b", limit=5, model="b")
    (b / "samples.jsonl").write_text("")
    with pytest.raises(UserError, match="no rows"):
        compare([a, b])


def test_runs_of_one_name_are_told_apart_by_their_folders(make_run):
    a = make_run("x/run", limit=5)
    b = make_run("y/run", limit=5, model="b")
    assert [arm.name for arm in compare([a, b]).arms] == ["x/run", "y/run"]


def test_a_plus_in_a_folders_own_name(make_run):
    a = make_run("a+b", ranked, limit=5)
    assert [arm.name for arm in compare([a, f"{a}+permutation"]).arms] == ["a+b", "a+b+permutation"]


def told(path, *, prompt="<|user|>", model=None, **identity):
    """A run of another chat template, or of other words to the model, as its manifest has it."""

    def change(values):
        values["identity"].update(identity)
        values["identity"]["model"].update(model or {})

    edit_manifest(path, change)
    edit_rows(path, lambda row: row.update(prompt=prompt + row["prompt"]))


@pytest.mark.parametrize("system", [(None, "Be brief."), ("Be brief.", "Be thorough.")])
def test_another_system_turn_is_another_question(make_run, system):
    a, b = make_run("a", limit=8), make_run("b", limit=8, model="b")
    edit_manifest(a, lambda values: values["identity"].update({} if system[0] is None else {"system": system[0]}))
    told(b, model={"template": "another"}, system=system[1])
    with pytest.raises(UserError, match=r"different prompt: 8.*--across-prompts"):
        compare([a, b])
    assert compare([a, b], across_prompts=True).pairing.notes == [
        "b: 8 rendered prompts differ (another prompt, kept by --across-prompts)"
    ]


def test_one_system_turn_in_two_templates_is_one_question(make_run):
    a, b = make_run("a", limit=8), make_run("b", limit=8, model="b")
    edit_manifest(a, lambda values: values["identity"].update(system="Be brief."))
    told(b, model={"template": "another"}, system="Be brief.")
    assert compare([a, b]).pairing.notes == ["b: 8 rendered prompts differ (same messages, another chat template)"]


@pytest.mark.parametrize("words", [{"enable_thinking": False}, {"chat_template_arg": {"style": "terse"}}])
def test_another_argument_to_one_template_pairs_with_a_note(make_run, words):
    a, b = make_run("a", limit=8), make_run("b", limit=8, model="b")
    told(b, **words)
    assert compare([a, b]).pairing.notes == [
        "b: 8 rendered prompts differ (same messages, other arguments to the chat template)"
    ]
    told(b, model={"tokenizer": "another"})
    assert compare([a, b]).pairing.notes == ["b: 8 rendered prompts differ (same messages, another chat template)"]


def test_every_part_of_a_run_s_identity_is_known_to_pairing_or_changes_no_message(tmp_path):
    """A key that is new here must be looked at: does it change what the model is asked?"""
    done = run(
        RunConfig(
            task="fashion", model="m", backend="null", limit=1, attempts=2, reask="explain", out=str(tmp_path / "r")
        )
    )
    asked = {"task", "data", "system"}
    rendered = {"model", "enable_thinking", "chat_template_arg", "backend"}
    answered = {"sampling", "dtype", "constraint", "attempts", "engine_arg", "serve", "adapter"}
    assert set(done.manifest.identity) <= asked | rendered | answered
    assert set(_WORDS) <= asked | rendered
