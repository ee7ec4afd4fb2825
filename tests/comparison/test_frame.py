"""A comparison as a frame: the same figures as its JSON, and none where nothing was compared."""

import math

from listeval.comparison import compare


def test_a_frame_has_what_the_json_has(make_run):
    found = compare([make_run("free", model="a"), make_run("other", model="b")], resamples=200)
    frame = found.frame()
    told = found.to_json()
    assert len(frame) == sum(len(arm["values"]) for arm in told["arms"])
    for arm, place in zip(told["arms"], found.arms, strict=True):
        own = frame[frame["arm"] == place.name].set_index("figure")
        for name, value in arm["values"].items():
            for part in ("value", "low", "high"):
                seen = own.loc[name, part]
                assert value[part] == seen or (value[part] is None and math.isnan(seen))
        for name, change in arm.get("differences", {}).items():
            assert own.loc[name, "difference"] == change["value"] and own.loc[name, "pairs"] == change["n"]
            assert own.loc[name, "p_holm"] == change["p_holm"] or math.isnan(own.loc[name, "p_holm"])
    assert frame.loc[frame["baseline"], "difference"].isna().all()


def test_it_is_short_in_a_terminal_and_a_table_in_a_notebook(make_run):
    found = compare([make_run("free"), make_run("b<i>d")], resamples=200)
    assert repr(found) == "Comparison('free', 'b<i>d', samples=40)"
    page = found._repr_html_()
    assert "b&lt;i&gt;d" in page and "<i>" not in page and "parse rate" in page
