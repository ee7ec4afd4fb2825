"""A user's schema may refer in every way of the standard: a constrained run has no traceback."""

import json

import pytest

pytest.importorskip("transformers", reason="needs transformers")

from listeval.cli.main import main

NUMBER = {"type": "integer"}
SCHEMAS = {
    "itself": {"type": "object", "properties": {"x": NUMBER, "y": {"$ref": "#"}}},
    "escaped": {"type": "object", "properties": {"x": {"$ref": "#/$defs/a~1b"}}, "$defs": {"a/b": NUMBER}},
    "anchor": {"type": "object", "properties": {"x": {"$ref": "#n"}}, "$defs": {"n": {"$anchor": "n", **NUMBER}}},
    "list of itself": {"anyOf": [{"type": "object"}, {"type": "array", "items": {"$ref": "#"}}]},
}


@pytest.mark.slow
@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_run_under_a_schema_that_refers(schema, tmp_path, capsys):
    rows, file = tmp_path / "r.jsonl", tmp_path / "s.json"
    rows.write_text(json.dumps({"prompt": "Return JSON.", "expected": {"x": 1}}) + "\n")
    file.write_text(json.dumps(schema))
    words = ["run", "--task", "json", "--data", str(rows), "--set", f"schema={file}", "--model", "tiny-sft"]
    more = ["--backend", "hf", "--constraint", "schema", "--max-tokens", "8", "--quiet", "--out", str(tmp_path / "o")]
    with pytest.raises(SystemExit) as left:
        main([*words, *more])
    assert left.value.code in (0, 3), capsys.readouterr().err
    assert "Traceback" not in capsys.readouterr().err
