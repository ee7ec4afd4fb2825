"""`baby` and `software`: the review task under other categories, with samples of their own and honest names."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from listeval.contract import Parsed
from listeval.plugins.registry import load_task
from tasks.fashion.generate import GRADE_BY_ASPECTS, generate
from tasks.fashion.helpfulness import Helpfulness
from tasks.fashion.hub import Category
from tests.hub_server import lines

TASKS = Path(__file__).resolve().parents[3] / "tasks"
CATEGORIES = {"baby": "Baby_Products", "software": "Software", "fashion": "Amazon_Fashion"}
CROSS = ("baby", "software")


def make(name, **options):
    task = load_task(name)
    return task(task.Options(**options))


@pytest.mark.parametrize("name", CROSS)
def test_nothing_but_category_and_sample_is_its_own(name):
    task = load_task(name)
    assert task.category == Category(CATEGORIES[name])
    assert {"name", "version", "summary", "category", "sample"} >= {key for key in vars(task) if key[0] != "_"}
    assert any(base.__name__ == Helpfulness.__name__ for base in task.__mro__)


def test_a_change_of_the_shared_code_is_another_task(tmp_path, monkeypatch):
    for name in ("headwear", "caps"):
        (tmp_path / name).mkdir()
    shared = tmp_path / "headwear" / "shared.py"
    shared.write_text("from listeval import Task\nclass Shared(Task): pass\n")
    (tmp_path / "headwear" / "task.py").write_text("")
    (tmp_path / "caps" / "task.py").write_text(
        "from ..headwear.shared import Shared\n"
        "class Caps(Shared):\n"
        "    name, version, summary, metrics = 'caps', 1, 'caps', ()\n"
        "    load = contract = gold = score = lambda *_: None\n"
    )
    monkeypatch.setenv("LISTEVAL_PATH", str(tmp_path))
    task = load_task("caps")()
    before = task.code
    shared.write_text(shared.read_text() + "# scored otherwise\n")
    assert task.code != before


@pytest.mark.parametrize("name", CROSS)
def test_the_command_reproduces_the_sample_byte_for_byte(name):
    command = [sys.executable, "tasks/fashion/generate.py", "--groups", "40", "--seed", "7"]
    command += ["--phrases", f"tasks/{name}/phrases.json"]
    made = subprocess.run(command, capture_output=True, check=True, timeout=60, cwd=TASKS.parent).stdout
    assert made == (TASKS / name / "sample.jsonl").read_bytes()
    assert len(made) < 100_000


@pytest.mark.parametrize("name", CROSS)
def test_samples_are_as_varied_as_fashion_s(name):
    rows = list(generate(200, 1, phrases=TASKS / name / "phrases.json"))
    assert len({row["product"] for row in rows}) == 200
    assert len({row["title"] for row in rows}) > 150
    grades = Counter(review["grade"] for row in rows for review in row["reviews"])
    assert set(grades) == set(range(11)) and max(grades) == GRADE_BY_ASPECTS[-1]
    text = "".join(review["text"] for row in rows for review in row["reviews"])
    assert not text.isascii() and all(mark in text for mark in '"[]{}()\n\\')


@pytest.mark.parametrize("name", CROSS)
@pytest.mark.parametrize("options", [{}, {"k": 4, "shots": 2}])
def test_gold_on_the_sample(name, options):
    task = make(name, **options)
    found = task.load(None, 0)
    assert (found.source, found.name) == (f"{name} sample", "generated sample")
    assert len(found.examples) >= 35
    for example in found.examples:
        parsed = task.contract(example.target).parse(task.gold(example.target))
        assert isinstance(parsed, Parsed)
        [metrics] = task.score([example.target], [parsed.value])
        assert metrics == pytest.approx({"kendall_tau": 1, "ndcg@1": 1, "ndcg@8": 1, "mae": 0})


@pytest.mark.parametrize("name", CATEGORIES)
def test_another_category_s_file_never_goes_by_the_task_s_name(shared_data, name):
    found = make(name).load(str(shared_data / "musical_instruments"), 0)
    label = {"baby": "Amazon Baby_Products", "software": "Amazon Software", "fashion": "Amazon Fashion"}[name]
    assert found.name == f"Musical_instruments_reviews (stand-in, not {label})"
    assert found.source.endswith("Musical_instruments_reviews.csv.gz")


def test_all_tasks_read_the_stand_in_alike(shared_data):
    read = {name: make(name, k=4, shots=1).load(str(shared_data / "musical_instruments"), 3) for name in CATEGORIES}
    assert read["baby"].examples == read["software"].examples == read["fashion"].examples
    assert len(read["baby"].examples) > 50


@pytest.mark.parametrize(
    ("category", "file", "own"),
    [
        ("Software", "Software", True),
        ("Software", "software_5", True),
        ("Software", "raw_review_Software", True),
        ("Software", "reviews_Software_5", True),
        ("Software", "meta_Software", False),
        ("Software", "Software_Engineering_Books", False),
        ("Software", "my Software", False),
        ("Baby_Products", "Baby_Products", True),
        ("Baby_Products", "reviews_Baby_5", False),
        ("Amazon_Fashion", "AMAZON_FASHION_5", True),
        ("Amazon_Fashion", "WomensClothingE-CommerceReviews", False),
    ],
)
def test_a_file_is_the_category_s_own_only_where_its_name_says_so(category, file, own):
    title = Category(category).title(file)
    assert title == file if own else title.startswith(f"{file} (stand-in, not Amazon ")


def test_the_real_fashion_file_goes_by_its_own_name(shared_data):
    assert make("fashion", k=4).load(str(shared_data / "fashion"), 0).name == "AMAZON_FASHION_5"


@pytest.mark.parametrize("name", CROSS)
def test_the_hub_s_category_is_read(serve_hub, name):
    review = {"asin": "V", "parent_asin": "B0", "rating": 5.0, "title": "T", "images": [], "timestamp": 1}
    reviews = [{**review, "user_id": f"U{n}", "text": f"Text {n}.", "helpful_vote": n} for n in range(8)]
    files = {
        f"raw/review_categories/{CATEGORIES[name]}.jsonl": lines(reviews),
        f"raw/meta_categories/meta_{CATEGORIES[name]}.jsonl": lines([{"parent_asin": "B0", "title": "Thing"}]),
    }
    serve_hub({"McAuley-Lab/Amazon-Reviews-2023": files})
    found = make(name).load("hub", 0)
    assert found.name == f"Amazon {CATEGORIES[name]}"
    assert found.examples[0].messages[0].content.startswith("Product: Thing. Below are reviews.")
