"""The page of `listeval compare` in a real browser: quiet console, drawn figures, working filters, inert text.

Needs playwright and a Chromium: `playwright install chromium`, or the system's (`apt-get install chromium`).
"""

import json
import shutil

import pytest

NASTY = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u2028\x07"


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    system = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_api.sync_playwright() as playwright:
        try:
            # A container has no user namespaces; the page is our own file.
            started = playwright.chromium.launch(executable_path=system, args=["--no-sandbox"])
        except sync_api.Error as error:
            pytest.skip(f"needs a Chromium: {error.message.splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture
def page_file(listeval, tmp_path):
    """A page of a null run beside replayed answers, some of them hostile, and a repaired arm."""
    listeval("run", "--task", "fashion", "--backend", "null", "--model", "a", "--out", "free", "--quiet")
    rows = [json.loads(line) for line in (tmp_path / "free" / "samples.jsonl").read_text().splitlines()]
    with (tmp_path / "answers.jsonl").open("w") as file:
        for at, row in enumerate(rows):
            good = [{"review_id": name, "score": at % 7 + n} for n, name in enumerate(row["target"]["grades"])]
            text = NASTY if at % 5 == 0 else json.dumps(good)
            file.write(json.dumps({"example": row["example"], "text": text, "finish_reason": "stop"}) + "\n")
    done = listeval(
        "run", "--task", "fashion", "--backend", "replay", "--model", "answers.jsonl", "--out", "told", "--quiet"
    )
    assert done.returncode == 0, done.stderr
    done = listeval("compare", "free", "told", "free+truncation+permutation", "--html", "page.html")
    assert done.returncode == 0, done.stderr
    return tmp_path / "page.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_works(browser, page_file, scheme, width):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked, said = [], []
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri())
    check_figures(page)
    check_filters(page)
    check_inert(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    assert asked == [page_file.as_uri()]
    context.close()


def check_figures(page):
    """Bars, stacks and matrix cells have a size on the screen."""
    for drawn in ("svg.bar rect.fill", "svg.stack rect.part", ".matrix button", "circle.dot"):
        boxes = [found.bounding_box() for found in page.query_selector_all(drawn)]
        assert boxes, drawn
        assert any(box and box["width"] > 1 and box["height"] > 1 for box in boxes), drawn


def check_filters(page):
    """By kind and arm, by id, by a cell of the matrix; Clear undoes them."""
    total = page.locator("#count").inner_text()
    page.select_option("#kind", "no_json")
    page.select_option("#arm", "1")
    kinds = page.eval_on_selector_all(".sample", "all => all.map(s => s.querySelectorAll('.badge')[1].textContent)")
    assert kinds
    assert set(kinds) == {"no_json"}
    page.click("#filters button[type=reset]")
    page.wait_for_function("total => document.getElementById('count').textContent === total", arg=total)
    title = page.locator(".sample h3").first.inner_text()
    page.fill("#search", title.split(" ")[0])
    assert page.locator(".sample h3").first.inner_text() == title
    page.click("#filters button[type=reset]")
    cell = page.locator(".matrix td:not(.same) button").first
    expected = cell.inner_text()
    cell.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("n => document.getElementById('count').textContent.startsWith(n + ' of')", arg=expected)
    page.click("#filters button[type=reset]")
    page.wait_for_function("total => document.getElementById('count').textContent === total", arg=total)


def check_inert(page):
    """Hostile text is shown, not run."""
    assert page.title() != "owned"
    assert page.locator("#list script, #list img").count() == 0
    page.fill("#search", "")
    page.select_option("#kind", "no_json")
    assert "<script>document.title='owned'</script>" in page.locator("#list").inner_text()
