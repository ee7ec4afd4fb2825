"""The benchmarks that run the program: that they measure what they say, on a few rows and never by their times."""

import json
import sys

import pytest

from benchmarks import coldstart, hf, overhead, resume
from benchmarks.harness import Report
from benchmarks.peers.client import Peer
from benchmarks.tiny import write_checkpoint

FAKE = """
import sys
from benchmarks.peers.serve import serve
print("noise that is no reply")
sys.stderr.write("x" * 200_000)
serve("pydantic", lambda rows, in_flight: 0.5 + rows * in_flight, 1.5)
"""


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(overhead, "ROWS", 5)
    monkeypatch.setattr(resume, "ROWS", 5)


def test_peers_get_the_prompts_of_the_run(few, tmp_path):
    from listeval.backends import null

    data, prompts = overhead.write_data(tmp_path, 5)
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        finish = null.NullBackend._finish
        patch.setattr(null.NullBackend, "_finish", lambda s, at, r: seen.append(r) or finish(s, at, r))
        overhead.Ours(tmp_path, data).seconds(in_flight=2)
    sent = {"\n\n".join(m.content for m in request.prompt.messages) for request in seen}
    lines = map(json.loads, prompts.read_text().splitlines())
    assert sent == {line["prompt"] for line in lines} and len(sent) == 5


def test_ours_states_what_it_leaves_out(few, tmp_path):
    data, _ = overhead.write_data(tmp_path, 5)
    ours = overhead.Ours(tmp_path, data)
    report = Report("x")
    seconds = {overhead.named("listeval", n): [ours.seconds(n)] for n in overhead.IN_FLIGHT}
    overhead.state(report, seconds, ours)
    assert [f.most for f in report.figures] == [0.2] * 4 + [None] * 2
    assert [len(found) for found in ours.apart.values()] == [4, 4]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="5 rows in place of 6"):
        patch.setattr(overhead, "ROWS", 6)
        ours.seconds(1)


def test_a_peer_answers_through_its_own_process_and_its_noise_is_no_answer(tmp_path, monkeypatch):
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("benchmarks.peers.client.PACKAGE", "")
    with Peer(sys.executable, "fake", "prompts", "logs", scratch=tmp_path) as peer:
        assert peer.label.startswith("pydantic ") and peer.startup == 1.5
        assert peer.fixed == 1.5
        assert peer.seconds(4, 2) == 8.5
        assert peer.per_row(4, 2) == (8.5 - 1.5) / 3


def test_a_peer_that_dies_says_why(tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("raise SystemExit('no such package')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("benchmarks.peers.client.PACKAGE", "")
    with pytest.raises(RuntimeError, match="no such package"):
        Peer(sys.executable, "broken", "prompts", "logs", scratch=tmp_path)


def test_the_index_is_that_of_the_rows_and_a_torn_file_is_noticed(few, tmp_path):
    config = resume.make_run(tmp_path, 5)
    path = tmp_path / "run" / "samples.jsonl"
    resume.check(path)
    assert resume.last_row_seconds(config, path) > 0
    resume.check(path)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(RuntimeError, match="void"):
        resume.check(path)


def test_first_prompt_is_handed_over_after_the_model_is_open(tmp_path):
    opened, handed = coldstart.first_prompt("null", "null", str(tmp_path / "run"))
    assert 0 < opened < handed


@pytest.mark.slow
def test_hf_and_the_bare_loop_give_the_same_ids(tmp_path):
    pytest.importorskip("transformers")
    write_checkpoint(tmp_path, ["Return JSON list of objects.", "The dress fits well."])
    report = Report("hf")
    hf.compare(report, "tiny", str(tmp_path), prompts=5, batch=2, tokens=8, rounds=1)
    assert len(report.rows) == 4 and report.facts["identical ids, tiny"].startswith("5 of 5")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="other ids"):
        patch.setattr(hf.HFBackend, "generate", lambda self, requests: iter(()))
        hf.compare(report, "tiny", str(tmp_path), prompts=2, batch=2, tokens=4, rounds=1)
