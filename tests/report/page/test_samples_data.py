"""What the sample browser reads: every row in the index, texts as far as there is room, nothing left out unsaid."""

import json
import random
import zlib
from base64 import b64decode
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from right_rankings import good

from listeval.comparison import compare
from listeval.report.page.browser import browser
from listeval.report.page.run_page import runs_page
from listeval.report.page.samples import SampleKey, Samples, by_importance, of_comparison, of_runs, representatives
from listeval.runs.figures.row_table import KINDS, RowTable
from tests.row_shapes import stored


def unpack(data):
    return json.loads(zlib.decompress(b64decode(data), -zlib.MAX_WBITS))


def texts(found):
    """{place: (rights, cells)} and {place: prompt}."""
    count = len(found.head["texts"])
    answers = {
        place: value
        for places, data in zip(found.head["texts"], found.blocks[1 : 1 + count], strict=True)
        for place, value in zip(places, unpack(data), strict=True)
    }
    prompts = {
        place: value
        for places, data in zip(found.head["prompts"], found.blocks[1 + count :], strict=True)
        for place, value in zip(places, unpack(data), strict=True)
    }
    return answers, prompts


def test_everything_is_there_where_it_has_room(two_runs):
    samples = of_runs(two_runs, [lambda target: f"right {sorted(target['grades'])}"] * 2)
    found = browser(samples)
    answers, prompts = texts(found)
    index = unpack(found.blocks[0])
    n = len(two_runs[0].rows)
    assert (found.total, found.answers, found.prompts, found.cut) == (n, n, n, 0)
    for place, (key, row) in enumerate(zip(samples.keys, two_runs[0].rows, strict=True)):
        assert (index["ids"][place], index["seeds"][place]) == key == (row["example"], row["seed"])
        assert found.head["kinds"][ord(index["kinds"][0][place]) - ord("0")] == row["kind"]
        rights, cells = answers[place]
        assert (rights, cells[0]["t"], prompts[place]) == (
            [f"right {sorted(row['target']['grades'])}"],
            row["text"],
            [row["prompt"]],
        )
        for at, name in enumerate(found.head["metrics"]):
            assert index["scores"][0][at][place] == pytest.approx(row["scores"].get(name), abs=1e-4)


def test_the_same_text_is_stored_once(make_run):
    found = browser(of_runs([make_run("a", good), make_run("b", good)], [None, None]))
    assert {cells[1]["t"] for _, cells in texts(found)[0].values()} == {0}


@pytest.mark.parametrize("room", [2_500, 3_500, 5_000])
def test_what_has_no_room_is_counted_and_still_in_the_index(two_runs, room):
    found = browser(of_runs(two_runs, [None, None]), room)
    answers, prompts = texts(found)
    assert sum(map(len, found.blocks)) <= room + len(found.blocks[0])
    assert (len(answers), len(prompts)) == (found.answers, found.prompts)
    assert found.answers < found.total == len(unpack(found.blocks[0])["ids"])
    assert set(prompts) <= set(answers)


def test_a_page_says_what_it_left_out(two_runs, monkeypatch):
    assert "room for the answers" not in runs_page(two_runs)
    monkeypatch.setattr("listeval.report.page.run_page.browser", lambda samples: browser(samples, 5_000))
    page = runs_page(two_runs)
    assert "room for the answers of" in page
    assert "listeval show RUN --sample ID --prompt" in page


def test_what_has_no_room_can_be_filtered_and_says_so(two_runs, monkeypatch, chromium, tmp_path):
    monkeypatch.setattr("listeval.report.page.run_page.browser", lambda samples: browser(samples, 5_000))
    file = tmp_path / "page.html"
    file.write_text(runs_page(two_runs), encoding="utf-8")
    page = chromium.new_page()
    page.goto(file.as_uri() + "#samples?kind=missing_id")
    page.wait_for_selector(".sample")
    assert page.locator("#count").inner_text() == "28 of 56 match"
    page.keyboard.press("n")
    page.keyboard.press("n")
    page.wait_for_function("() => document.getElementById('page-of').textContent.startsWith('3 of')")
    last = page.locator(".sample").last.inner_text()
    assert "no room for these answers:" in last and "listeval show" in last
    assert "[1] missing_id, [2] ok" in last
    page.fill("#text", "review_id")
    page.wait_for_function("() => document.getElementById('count').textContent.includes('to search in')")
    page.close()


def test_long_texts_are_cut_around_the_fault_and_counted(make_run):
    # The fault lies behind 9,000 characters.
    long = lambda row: '[{"review_id": "' + "x" * 9_000 + '", "score": 1}, {"review_id": 7}]'  # noqa: E731
    run = make_run("long", long, limit=2)
    found = browser(of_runs([run], [None]))
    cell = texts(found)[0][0][1][0]
    assert found.cut >= 2
    assert len(cell["t"]) == 8_000
    assert cell["n"] == len(run.rows[0]["text"])


def test_a_lone_surrogate_comes_through():
    from listeval.report.page.browser import _pack

    assert unpack(_pack(["a\\\ud800b", "\U0001f600"])) == ["a\\\ud800b", "\U0001f600"]


def test_runs_of_other_targets_do_not_stand_side_by_side(make_run):
    runs = [make_run("two", options={"k": 2}), make_run("four", options={"k": 4}), make_run("again", options={"k": 4})]
    samples = of_runs(runs, [None] * 3)
    cells = list(zip(*samples.rows, strict=True))
    assert all(two is None or (four is None and again is None) for two, four, again in cells)
    assert sum(four is not None and again is not None for _, four, again in cells) == len(runs[1].rows)


def test_a_repaired_answer_has_its_text_before_the_repair(two_runs):
    path = str(two_runs[0].path)
    samples = of_comparison(compare([path, f"{path}+permutation"]), None)
    answers, _ = texts(browser(samples))
    for place, (_, cells) in answers.items():
        repaired = "repaired" in samples.rows[1][place].flags
        assert ("w" in cells[1]) == repaired
        assert cells[1].get("w", cells[0]["t"]) == cells[0]["t"]


def test_rare_kinds_are_among_the_first():
    rare, common = np.zeros((2, 10_000), dtype=np.uint8)
    rare[7_777] = KINDS.index("empty")
    table = RowTable.of([None] * 10_000)
    places = representatives([replace(table, kinds=rare), replace(table, kinds=common)], 200)
    assert 7_777 in places
    assert len(places) == 200
    assert places == sorted(set(places))
    assert max(places) > 9_000


def test_failures_come_before_the_others_and_all_are_there(two_runs):
    samples = of_runs(two_runs, [None, None])
    order = by_importance(samples, most=4)
    assert Counter(order) == Counter(range(len(samples.keys)))
    failed = [samples.rows[0][place].kind != "ok" for place in order[4:]]
    assert failed == sorted(failed, reverse=True)


@pytest.mark.slow
def test_ten_thousand_rows_of_six_arms_fit_into_five_megabytes():
    rng = random.Random(0)
    ids = [[f"R{rng.randrange(36**5):x}" for _ in range(8)] for _ in range(10_000)]

    targets = [{"ids": names} for names in ids]

    def row(place, arm):
        text = json.dumps([{"review_id": one, "score": rng.randrange(100) / 10} for one in ids[place]])
        kind = "ok" if rng.random() < 0.8 else rng.choice(["missing_id", "no_json", "truncated"])
        scores = {name: rng.random() for name in ("kendall_tau", "ndcg@1", "ndcg@8", "mae")} if kind == "ok" else {}
        return {
            "key": f"{arm}-{place}", "kind": kind, "text": text, "scores": scores, "flags": [], "n_tokens": 60,
            "missing": 0, "bare": True, "n_prompt_tokens": 9, "masked": None,
            "detail": "", "error": None, "finish_reason": "stop", "span": None, "verdict": None, "reasoning": None,
            "attempts": None, "target": targets[place],
            "prompt": f"Rank these reviews of product {place}: " + " ".join(ids[place] * 30),
        }  # fmt: skip

    rows = [stored(*(row(place, arm) for place in range(10_000))) for arm in range(6)]
    samples = Samples(
        names=list("abcdef"),
        paths=list("abcdef"),
        keys=[SampleKey(f"F{place}", 0) for place in range(10_000)],
        rows=rows,
        tables=[RowTable.of(own) for own in rows],
        right=[lambda target: " ".join(target["ids"])] * 6,
        paired=True,
        ranked=True,
    )
    found = browser(samples)
    size = sum(map(len, found.blocks)) + len(json.dumps(found.head))
    assert size < 4_700_000
    assert found.answers > 2_000
    assert len(unpack(found.blocks[0])["ids"]) == 10_000
