"""The page of a suite in a real browser: a quiet console, room for what it shows, links to the comparisons."""

import pytest

from tests.e2e.test_html_pages import CONTRAST

SUITE = """\
tasks: [fashion]
models: [null, gold]
backend: null
settings: {k: [2, 4, 8], order: [shuffled]}
seeds: [0, 1]
limit: 8
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_the_page_of_a_suite_works(chromium, listeval, tmp_path, scheme, width):
    (tmp_path / "s.yaml").write_text(SUITE)
    done = listeval("suite", "s.yaml", "--quiet", "--out", "o")
    assert done.returncode == 0, done.stderr
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "o" / "index.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    main = page.locator("main").bounding_box()
    assert main["width"] > 0.7 * min(width, 1400), "what is shown has the page's room"
    assert page.locator("section h2").all_inner_texts() == [
        "Comparisons", "Curves", "Figures", "Kinds of answers", "Runs",
    ]  # fmt: skip
    assert page.locator("figure svg").count() >= 3
    assert page.evaluate(CONTRAST) == []
    page.locator("#comparisons a").first.click()
    assert page.url.endswith("compare-fashion_k=2_order=shuffled.html")
    assert said == []
    assert {url.split("://")[0] for url in asked} == {"file"}
    context.close()
