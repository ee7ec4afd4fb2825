"""Rubrics: the bundled one, where they are found, and what is said of a bad one."""

from pathlib import Path

import pytest
import yaml

from listeval.contract import Failure, Kind, Parsed
from listeval.errors import UserError
from listeval.labelling.grading import Grading
from listeval.labelling.rubric import find_rubrics, load_rubric, read_rubric
from listeval.task import Piece, Pieces

GOOD = {
    "name": "calm",
    "version": 2,
    "summary": "how calm a text is",
    "scale": {"low": 1, "high": 5},
    "criteria": [{"name": "tone", "description": "An even tone."}],
    "anchors": {1: "Shouting.", 5: "Serene."},
    "prompt": "Grade {{ text }}{% if context %} about {{ context }}{% endif %}.",
}


@pytest.fixture
def write(tmp_path):
    """Write the good rubric, with changes, and return its file; a change to None removes the field."""

    def make(changes, name="calm"):
        values = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump(values))
        return file

    return make


def grading(name="helpfulness"):
    return Grading(load_rubric(name), Pieces("inline", [Piece("Warm.", "Wool hat", "P", "1")]))


def test_the_bundled_rubric_shows_text_and_context_and_marks_the_text_off():
    rubric = load_rubric("helpfulness")
    prompt = rubric.render("Warm and {{ odd }}.", "Wool hat")
    assert "<review>\nWarm and {{ odd }}.\n</review>" in prompt
    assert "Product: Wool hat" in prompt
    assert "Product:" not in rubric.render("Warm.", "")
    assert all(f'"{name}": <grade>' in prompt for name in [c.name for c in rubric.criteria] + ["grade"])
    assert {0, 10} < set(rubric.anchors)


def test_gold_parses_and_known_bad_answers_land_in_their_kinds():
    task = grading()
    [example] = task.load(None, 0).examples
    contract = task.contract(example.target)
    gold = task.gold(example.target)
    parsed = contract.parse(gold)
    assert isinstance(parsed, Parsed)
    assert task.score([example.target], [parsed.value]) == [{"grade": 10.0}]
    for changed, kind in [
        (gold.replace("10}", "11}"), Kind.BAD_VALUE),
        (gold.replace("10}", "-1}"), Kind.BAD_VALUE),
        (gold.replace("10}", "7.5}"), Kind.BAD_VALUE),
        (gold.replace("10}", '"10"}'), Kind.BAD_VALUE),
        (gold.replace("10}", "true}"), Kind.BAD_VALUE),
        (gold.replace(', "grade": 10', ""), Kind.MISSING_KEY),
        (gold.replace("}", ', "why": "good"}'), Kind.EXTRA_KEY),
        (gold.replace("}", ', "grade": 3}'), Kind.EXTRA_KEY),
        ("I find it helpful.", Kind.NO_JSON),
        ("", Kind.EMPTY),
    ]:
        failure = contract.parse(changed)
        assert isinstance(failure, Failure), changed
        assert failure.kind is kind, changed


def test_the_schema_is_what_strict_structured_output_takes():
    task = grading()
    schema = task.contract({}).json_schema()
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"]) == ["specifics", "experience", "balance", "focus", "grade"]
    assert schema["properties"]["grade"] == {"maximum": 10, "minimum": 0, "title": "Grade", "type": "integer"}


def test_an_edited_rubric_is_another_task(write):
    one, other = read_rubric(write({})), read_rubric(write({"anchors": {1: "Loud.", 5: "Serene."}}))
    texts = Pieces("inline", [])
    assert Grading(one, texts).code != Grading(other, texts).code
    assert Grading(one, texts).code == Grading(read_rubric(write({})), texts).code


def test_they_are_found_beside_tasks_and_the_first_hit_wins(tmp_path, monkeypatch, write):
    here, listed = tmp_path / "here", tmp_path / "listed"
    for folder in (here, listed):
        (folder / "rubrics").mkdir(parents=True)
    (listed / "tasks").mkdir()
    write({"version": 7}).rename(listed / "rubrics" / "calm.yaml")
    monkeypatch.chdir(here)
    monkeypatch.setenv("LISTEVAL_PATH", str(listed / "tasks"))
    assert load_rubric("calm").version == 7
    write({}).rename(here / "rubrics" / "calm.yaml")
    assert load_rubric("calm").version == 2
    assert list(find_rubrics()) == ["calm", "helpfulness"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": "one"}, "version: "),
        ({"version": 0}, "version: "),
        ({"summary": "  "}, "summary: "),
        ({"scale": None}, "scale: Field required"),
        ({"scale": {"low": 5, "high": 5}}, "scale: low 5 is not below high 5"),
        ({"scale": {"low": 1, "hihg": 5}}, "scale.h"),
        ({"promt": "x"}, "promt: unknown field; did you mean 'prompt'?"),
        ({"criteria": []}, "criteria: "),
        ({"criteria": [{"name": "Tone!", "description": "x"}]}, "criteria.0.name: "),
        ({"criteria": [{"name": "tone", "decription": "x", "description": "x"}]}, "did you mean 'description'"),
        ({"criteria": [{"name": "grade", "description": "x"}]}, "criteria: 'grade' is the name of the overall grade"),
        ({"criteria": [{"name": "tone", "description": "x"}] * 2}, "criteria: 'tone' stands twice"),
        ({"anchors": {1: "x", 9: "y"}}, "anchors: 9 is outside the scale 1-5"),
        ({"anchors": {1: "x", 3: "y"}}, "anchors: the end 5 of the scale has none"),
        ({"anchors": {"low": "x"}}, "anchors.low: "),
        ({"prompt": "Grade it."}, "prompt: it does not show {{ text }}"),
        ({"prompt": "{{ text }"}, "prompt (its line 1): "),
        ({"prompt": "{{ text }} {{ produkt }}"}, "'produkt' is undefined"),
        ({"prompt": "{{ text }} {{ 1 / 0 }}"}, "prompt: ZeroDivisionError"),
        ({"prompt": "{{ text }} {{ text.__class__.__mro__ }}"}, "prompt: "),
    ],
)
def test_a_bad_field_is_named_with_its_file(write, changes, words):
    with pytest.raises(UserError) as caught:
        read_rubric(write(changes))
    assert words in caught.value.cause
    assert caught.value.place.endswith("calm.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        (b"name: [calm\nversion: 1\n", ":2", "not YAML"),
        (b"\xff\xfe", "bad.yaml", "not YAML"),
        (b"a: \x00", "bad.yaml", "not YAML"),
        (b"", "bad.yaml", "not a rubric"),
        (b"- 1\n", "bad.yaml", "not a rubric"),
    ],
)
def test_what_is_no_rubric_is_named_with_its_line(tmp_path, content, place, words):
    (tmp_path / "bad.yaml").write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        read_rubric(tmp_path / "bad.yaml")
    assert caught.value.place.endswith(place)
    assert "\n" not in str(caught.value)


def test_names_must_agree_and_files_exist(write, tmp_path):
    with pytest.raises(UserError, match="calls itself 'calm'"):
        read_rubric(write({}, name="cool"))
    with pytest.raises(UserError, match="cannot be read"):
        read_rubric(Path(tmp_path / "none.yaml"))
    with pytest.raises(UserError, match="did you mean 'helpfulness'"):
        load_rubric("helpfulnes")
