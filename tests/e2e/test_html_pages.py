"""The pages of `report` and `compare` in a real browser: quiet, whole at every width, filtered, steered, taken."""

import csv
import io
import json
import re
from collections import Counter

import pytest

NASTY = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u2028\x07\u202e"

CONTRAST = """() => {
  const parts = (text) => {
    const numbers = text.match(/-?[\\d.]+(?:e-?\\d+)?/g).map(Number);
    const scale = text.startsWith("color(") ? 255 : 1;
    return { rgb: numbers.slice(0, 3).map((x) => x * scale), alpha: numbers.length > 3 ? numbers[3] : 1 };
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((x) => x / 255).map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const found = parts(getComputedStyle(at).backgroundColor);
      if (found.alpha === 1) return found.rgb;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    const box = node.getBoundingClientRect();
    if (!own || !box.width || node.closest("script, style, dialog:not([open]), .stack, :disabled")) continue;
    const style = getComputedStyle(node);
    const ink = light(parts(node.ownerSVGElement ? style.fill : style.color).rgb);
    const paper = light(ground(node));
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    const name = `${node.tagName}.${node.getAttribute("class")}`;
    if (ratio < 4.5) poor.push(`${name}: ${node.textContent.slice(0, 30)} ${ratio}`);
  }
  return poor;
}"""

CUT = """() => {
  // Text that stands beyond what its box shows, where the box neither scrolls nor says that it is cut.
  const found = [];
  for (const node of document.querySelectorAll("main *, header *")) {
    const style = getComputedStyle(node);
    if (!node.getBoundingClientRect().width || node.ownerSVGElement) continue;
    const hides = style.overflowX === "hidden" || style.overflowX === "clip";
    const cut = hides && node.scrollWidth > node.clientWidth + 1 && style.textOverflow !== "ellipsis";
    const out = node.getBoundingClientRect().right > innerWidth + 1 && !node.closest(".scroll");
    if (cut || out) found.push(node.outerHTML.slice(0, 80));
  }
  return found;
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A folder with compare.html and report.html: a null run beside replayed answers, some hostile, and a repair."""
    import os
    import shutil
    import subprocess
    import sys
    from pathlib import Path

    folder = tmp_path_factory.mktemp("pages")
    root = Path(__file__).resolve().parents[2]

    def listeval(*args):
        command = [sys.executable, "-m", "listeval", *args]
        environment = {**os.environ, "PYTHONPATH": str(root), "COLUMNS": "80"}
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=600)
        assert done.returncode == 0, done.stderr

    listeval("run", "--task", "fashion", "--backend", "null", "--model", "a", "--out", "free", "--quiet")
    rows = [json.loads(line) for line in (folder / "free" / "samples.jsonl").read_text().splitlines()]
    with (folder / "answers.jsonl").open("w") as file:
        for at, row in enumerate(rows):
            score = lambda n, grade, at=at: at % 7 + n if at % 2 else grade  # noqa: E731
            good = [
                {"review_id": name, "score": score(n, grade)}
                for n, (name, grade) in enumerate(row["target"]["grades"].items())
            ]
            text = NASTY if at % 5 == 0 else json.dumps(good)
            file.write(json.dumps({"example": row["example"], "text": text, "finish_reason": "stop"}) + "\n")
    told = "told\u202etxt"
    listeval("run", "--task", "fashion", "--backend", "replay", "--model", "answers.jsonl", "--out", told, "--quiet")
    listeval("compare", "free", told, "free+truncation+permutation", "--html", "compare.html")
    listeval("report", told, "--html", "report.html")
    listeval("report", "free", told, "--html", "several.html")
    for k in ("2", "4"):
        words = ["run", "--task", "fashion", "--backend", "null", "--model", "a", "--set", f"k={k}", "--out", f"k{k}"]
        listeval(*words, "--quiet")
    listeval("report", "k2", "k4", "--html", "lengths.html")
    shutil.copytree(folder / "free", folder / "asked")
    asked = [row | {"prompt": row["prompt"] + " Please."} for row in rows]
    (folder / "asked" / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    listeval("report", "free", "asked", "--html", "prompts.html")
    return folder


@pytest.fixture
def view(chromium, pages):
    """`view(name, width=1280, scheme="light", hash="")`: the page, its samples shown; it has to stay quiet, offline."""
    contexts, said, asked = [], [], []

    def show(name, *, width=1280, scheme="light", hash=""):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto((pages / f"{name}.html").as_uri() + hash)
        page.wait_for_selector("#list .sample, #list .empty")
        return page

    yield show
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []


def counted(page):
    return page.locator("#count").inner_text()


def wait_for_count(page, text):
    page.wait_for_function("text => document.getElementById('count').textContent === text", arg=text)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("name", ["compare", "report", "several"])
def test_a_page_is_whole(view, name, width, scheme):
    page = view(name, width=width, scheme=scheme)
    for drawn in ("svg.bar rect.fill", "svg.stack rect.part"):
        boxes = [found.bounding_box() for found in page.query_selector_all(drawn)]
        assert any(box and box["width"] > 1 and box["height"] > 1 for box in boxes), drawn
    for details in page.query_selector_all("details:not(.prompt)"):
        details.evaluate("node => { node.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT) == []
    assert page.evaluate(CONTRAST) == []
    # Every bar has an axis that is seen, beside it or above it.
    seen = page.evaluate("""() => [...document.querySelectorAll(".panel")].map(
        (panel) => [...panel.querySelectorAll(".axis")].some((axis) => axis.getBoundingClientRect().width > 1))""")
    assert seen and all(seen)


@pytest.mark.parametrize("name", ["several", "lengths"])
@pytest.mark.parametrize("width", [390, 320])
def test_the_headline_of_several_runs_is_whole_on_a_phone(view, name, width):
    page = view(name, width=width)
    found = page.locator("table.cards")
    assert found.evaluate("node => node.parentElement.scrollWidth <= node.parentElement.clientWidth")
    cells = found.locator("tbody td").all()
    labels = [cell.evaluate("node => getComputedStyle(node, '::before').content") for cell in cells]
    assert len(cells) == 6 and {'"parse rate"', '"useful ndcg@1"'} <= set(labels)
    boxes = [cell.bounding_box() for cell in cells]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= width and box["height"] > 10 for box in boxes)
    assert page.evaluate(CONTRAST) == []
    wide = view(name, width=1000).locator("table.cards thead th").all_inner_texts()
    assert "useful ndcg@1" in wide, "a table where there is room"


@pytest.mark.parametrize("name", ["compare", "report", "several"])
def test_what_models_wrote_is_shown_and_not_run(view, name):
    page = view(name, hash="#samples?kind=no_json")
    text = page.locator("#list").inner_text()
    assert "<script>document.title='owned'</script>" in text
    assert r"\u2028\x07\u202e" in text
    assert page.title() != "owned"
    assert page.locator("#list script, #list img").count() == 0
    assert "\u202e" not in page.content()
    assert r"told\u202etxt" in page.locator("body").inner_text()


def test_the_contents_lead_to_every_section(view):
    page = view("compare")
    links = page.eval_on_selector_all(".contents a", "all => all.map(a => a.getAttribute('href').slice(1))")
    sections = page.eval_on_selector_all("main section", "all => all.map(s => s.id)")
    assert sorted(links) == sorted(["top", *sections])


def test_fields_filter(view):
    page = view("compare")
    total = counted(page)
    page.select_option("#arm", "1")
    page.select_option("#kind", "no_json")
    page.wait_for_function("() => document.querySelectorAll('.sample').length > 0")
    kinds = page.eval_on_selector_all(".sample", "all => all.map(s => s.querySelectorAll('.badge')[1].textContent)")
    assert set(kinds) == {"no_json"}
    page.click("#filters button[type=reset]")
    wait_for_count(page, total)
    title = page.locator(".sample h3 a").first.inner_text()
    page.fill("#text", title)
    page.wait_for_function(
        "id => [...document.querySelectorAll('.sample h3 a')].map(a => a.textContent).join() === id",
        arg=title,
    )
    page.fill("#text", "nothing of the kind")
    page.wait_for_selector("#list .empty")
    assert counted(page) == f"0 of {total.split()[0]} match"
    assert "No sample matches" in page.locator("#list").inner_text()


def test_scores_filter_and_sort(view):
    page = view("report")
    page.select_option("#metric", "ndcg@1")
    page.fill("#least", "0.99")
    page.wait_for_function("() => location.hash.includes('least=0.99')")
    assert all(
        "ndcg@1 1 " in text + " " for text in page.locator(".answer:not(.right) p:first-of-type").all_inner_texts()
    )
    page.click("#filters button[type=reset]")
    page.select_option("#sort", "score|kendall_tau|up")
    page.select_option("#kind", "ok")
    page.wait_for_function("() => location.hash.includes('kind=ok')")
    texts = page.locator(".answer:not(.right) p:first-of-type").all_inner_texts()
    taus = [float(text.split("kendall_tau ")[1].split(" ")[0]) for text in texts]
    assert taus == sorted(taus)


def test_bars_legend_and_matrix_filter(view):
    page = view("compare")
    total = counted(page)
    cell = page.locator(".matrix td:not(.same) button").first
    expected = cell.inner_text()
    cell.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("n => document.getElementById('count').textContent.startsWith(n + ' of')", arg=expected)
    page.keyboard.press("x")
    wait_for_count(page, total)
    part = page.locator(".stack g[data-arm='1'][data-kind=no_json]")
    said = part.get_attribute("aria-label").split()[0]
    part.click()
    page.wait_for_function("n => document.getElementById('count').textContent.startsWith(n + ' of')", arg=said)
    assert (page.input_value("#arm"), page.input_value("#kind")) == ("1", "no_json")
    page.locator(".legend button[data-kind=ok]").click()
    page.wait_for_function("() => document.getElementById('kind').value === 'ok'")
    assert page.input_value("#arm") == ""


def test_the_right_answer_stands_beside_and_what_differs_is_marked(view):
    page = view("report", hash="#samples?kind=ok")
    cards = page.locator(".sample")
    assert cards.locator(".answer.right").count() == cards.count() > 0
    wrong = page.locator("#list mark.diff").first
    assert "right is" in wrong.get_attribute("title")
    # An answer with every rank right has no mark; gold and answer are told by the order of their scores.
    page.select_option("#sort", "score|kendall_tau|down")
    page.wait_for_function("() => location.hash.includes('sort')")
    best = page.locator(".sample").first
    assert "kendall_tau 1 " in best.inner_text() + " "
    assert best.locator("mark.diff").count() == 0


def test_a_repair_marks_all_that_it_mended(view):
    page = view("compare", hash="#samples?arm=2&kind=ok&flag=repaired")
    assert page.locator(".sample").count() > 0
    for place in range(page.locator(".sample").count()):
        box = page.locator(".sample").nth(place).locator(".answer").last
        assert "what the repair changed" in box.inner_text()
        added = "".join(box.locator("mark.diff").all_inner_texts())
        gone = "".join(box.locator("del.gone").all_inner_texts())
        steps = box.locator("p").first.inner_text().split("—")[0].split("repaired: ")[1]
        counts = {word: int(n) for word, n in re.findall(r"(appended|dropped) (\d+)", steps)}
        assert added.count('"review_id"') == counts.get("appended", 0), steps
        assert gone.count('"review_id"') >= counts.get("dropped", 0), steps


def test_an_address_names_a_sample_and_its_filters(view):
    page = view("report", hash="#samples?kind=ok&sort=id%7C%7Cup")
    link = page.locator(".sample h3 a").nth(3)
    name, address = link.inner_text(), link.get_attribute("href")
    other = view("report", hash=address)
    other.wait_for_selector(".sample.current")
    assert other.locator(".sample.current h3 a").inner_text() == name
    assert (other.input_value("#kind"), other.input_value("#sort")) == ("ok", "id||up")
    other.evaluate("location.hash = '#samples?kind=no_json'")
    other.wait_for_function("() => document.getElementById('kind').value === 'no_json'")


def test_samples_of_one_name_have_addresses_of_their_own(view):
    page = view("lengths")
    links = page.eval_on_selector_all(".sample h3 a", "all => all.map(a => a.getAttribute('href'))")
    page.fill("#text", "F0042-0-1")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.sample h3 a')].every(a => a.textContent === 'F0042-0-1')"
    )
    cards = page.locator(".sample")
    assert cards.count() == 2
    addresses = [cards.nth(at).locator("h3 a").get_attribute("href") for at in (0, 1)]
    assert len(set(addresses)) == 2 and len(set(links)) == len(links)
    for at in (0, 1):
        other = view("lengths", hash=addresses[at])
        other.wait_for_selector(".sample.current")
        assert other.locator(".sample.current .answer h4").all_inner_texts() == (
            cards.nth(at).locator(".answer h4").all_inner_texts()
        )


def test_prompts_that_differ_are_told_by_their_arms(view):
    page = view("prompts")
    card = page.locator(".sample").first
    folds = card.locator("details.prompt")
    assert folds.locator("summary").all_inner_texts() == ["Prompt of [1]", "Prompt of [2]"]
    page.keyboard.press("o")
    page.wait_for_function("() => document.querySelectorAll('.sample details.prompt[open] pre')[1].textContent")
    first, second = folds.locator("pre").all_inner_texts()
    assert second == first + " Please."
    assert view("report").locator("details.prompt summary").first.inner_text() == "Prompt"


def test_marking_changes_nothing_of_which_samples_are_shown(view):
    page = view("compare")
    page.keyboard.press("n")
    page.wait_for_function("() => document.getElementById('page-of').textContent.startsWith('2 of')")
    shown = page.locator(".sample h3 a").all_inner_texts()
    for change in (lambda: page.keyboard.press("m"), lambda: page.select_option("#mark", index=0)):
        change()
        page.wait_for_timeout(100)
        assert page.locator(".sample h3 a").all_inner_texts() == shown
        assert page.locator("#page-of").inner_text().startswith("2 of")
        assert page.locator(".sample.current").count() == 0
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.click("#next")
    page.wait_for_function("() => document.getElementById('page-of').textContent.startsWith('3 of')")
    page.keyboard.press("j")
    page.wait_for_selector(".sample.current")
    assert page.locator(".sample.current h3 a").inner_text() == page.locator(".sample h3 a").first.inner_text()


def test_keys_steer(view):
    page = view("report")
    page.keyboard.press("j")
    page.wait_for_selector(".sample.current")
    names = [page.locator(".sample.current h3 a").inner_text()]
    for key in ("j", "j", "k"):
        page.keyboard.press(key)
        page.wait_for_timeout(50)
        names.append(page.locator(".sample.current h3 a").inner_text())
    order = page.locator(".sample h3 a").all_inner_texts()
    assert names == [order[0], order[1], order[2], order[1]]
    for _ in range(len(order)):
        page.keyboard.press("j")
        page.wait_for_timeout(30)
    assert page.locator("#page-of").inner_text().startswith("2 of")
    page.keyboard.press("p")
    page.wait_for_function("() => document.getElementById('page-of').textContent.startsWith('1 of')")
    page.keyboard.press("o")
    page.wait_for_function("() => document.querySelector('details.prompt[open] pre').textContent")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.type("j?x")
    assert page.input_value("#text") == "j?x"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") != "text"
    page.keyboard.press("x")
    page.wait_for_function("() => document.getElementById('text').value === ''")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()


@pytest.mark.parametrize("name", ["compare", "report"])
def test_what_is_filtered_is_taken_along(view, name, pages):
    page = view(name, hash="#samples?kind=no_json")
    told = Counter()
    with page.expect_download() as waiting:
        page.click("#jsonl")
    rows = [json.loads(line) for line in waiting.value.path().read_text().splitlines()]
    assert rows
    told.update(row["id"] for row in rows)
    assert len(told) == int(counted(page).split()[0])
    assert all("no_json" in {row["kind"] for row in rows if row["id"] == one} for one in told)
    lines = (pages / "told\u202etxt" / "samples.jsonl").read_text().split("\n")
    stored = {row["example"]: row for row in map(json.loads, filter(None, lines))}
    for row in rows:
        if row["kind"] == "no_json" and "told" in row["arm"]:
            assert (row["text"], row["text_is_cut"]) == (stored[row["id"]]["text"], False)
            assert json.loads(row["right"])
    with page.expect_download() as waiting:
        page.click("#csv")
    table = list(csv.DictReader(io.StringIO(waiting.value.path().read_text(), newline="")))
    assert [(row["id"], row["kind"], row["text"]) for row in table] == [
        (row["id"], row["kind"], row["text"]) for row in rows
    ]
    assert "ndcg@1" in table[0]


def test_without_scripts_the_figures_stand(chromium, pages):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((pages / "report.html").as_uri())
    text = page.locator("body").inner_text()
    assert "need JavaScript" in text
    assert "listeval run --task fashion --model" in text
    assert page.locator("svg.bar").count() > 3
    context.close()
