"""The figures at the head and the sentence speak of the same arm, whatever became of several."""

import itertools

import pytest
from planted import constant, first, noisy, ranked, reversed_order, shuffled

from listeval.comparison import compare
from listeval.report.comparison.headline import heads, subject
from listeval.report.comparison.sentence import sentence
from listeval.runs.figures import as_text

ARMS = {
    "better": (ranked, 40),
    "chance": (shuffled, 40),
    "constant": (constant, 40),
    "trades": (reversed_order, 40),
    "fewer": (first(3, ranked), 40),
    "none": (lambda row: "no list", 40),
    "same": (first(12, ranked), 40),
    "near": (first(14, lambda row: noisy(row, 0.5)), 40),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory, groups):
    """A run of each kind, and the baseline, which ranks the first twelve of forty."""
    from planted import edit_manifest, rewrite

    from listeval.runs import RunConfig, run

    folder, paths = tmp_path_factory.mktemp("arms"), {}
    for name, (answer, n) in {"base": (first(12, ranked), 40), **ARMS}.items():
        config = {"task": "fashion", "model": name, "backend": "null", "data": str(groups), "limit": n}
        done = run(RunConfig(**config, options={"split": "all"}, out=str(folder / name)))
        rewrite(done, answer)
        edit_manifest(done.path, lambda values: values["model"].update(fingerprint=values["model"]["name"]))
        paths[name] = done.path
    return paths


@pytest.mark.parametrize("names", [names for n in (1, 2, 3) for names in itertools.combinations(ARMS, n)][::2])
def test_head_and_sentence_name_one_arm(names, made):
    found = compare([made["base"], *(made[name] for name in names)], resamples=300)
    said, arm = sentence(found.verdict), subject(found.verdict)
    places = {f.name: said.find(f.name) for f in found.verdict.findings if f.name in said}
    if len(names) == 1 and not places:
        return  # "No difference shown" of the one arm that there is
    assert min(places, key=places.__getitem__) == arm.name, said
    for head, name in zip(heads(found.verdict), found.verdict.headline, strict=True):
        d = arm.differences[name]
        assert (head.before, head.after) == (as_text.plain(name, d.before), as_text.plain(name, d.after))


def test_where_nothing_is_shown_of_several_the_sentence_has_the_figures_of_the_head(made):
    found = compare([made["base"], made["same"], made["near"]])
    said = sentence(found.verdict)
    d = subject(found.verdict).differences["parse_rate"].difference
    assert said.startswith("No difference shown: with near the parse rate may change by ")
    assert f"{100 * d.low:+.1f} to {100 * d.high:+.1f} points" in said and "nor is one shown with same" in said
