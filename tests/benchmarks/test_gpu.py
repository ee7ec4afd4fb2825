"""The runner of the GPU check: whatever happens to a phase is a line, at once, and never the end of the run."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.gpu import __main__ as program
from benchmarks.gpu import plan, recorded, results, runner
from benchmarks.gpu.plan import Phase

ROOT = runner.ROOT


def line(case="a", status="ok", **more):
    return json.dumps({"phase": "fake", "case": case, "status": status, **more})


@pytest.fixture
def go(tmp_path):
    """`go(code, limit)`: the lines of a phase `fake` with the cases `a` (figure `x`) and `b`, as they were recorded."""

    def run(code, limit=30.0, cases=("a", "b"), env=None):
        found = []
        phase = Phase("fake", limit, "", {case: ("x",) if case == "a" else () for case in cases})
        start = [sys.executable, "-c", code]
        runner.run_phase(phase, start, tmp_path, found.append, env or dict(os.environ))
        return {entry["case"]: entry for entry in found}

    return run


SAY = f"print({line(x=1)!r}, flush=True)"


def test_a_phase_s_lines_are_found_between_whatever_else_is_printed(go):
    noise = ["loading 100%", "[1, 2]", "null", '{"phase": "other", "case": "a", "status": "ok"}', '{"case": "a"}', "{"]
    code = "\n".join([*(f"print({text!r})" for text in noise), SAY, f"print({line('b')!r})", f"print({line(x=2)!r})"])
    assert go(code) == {"a": json.loads(line(x=1)), "b": json.loads(line("b"))}


@pytest.mark.parametrize("ending", ["time.sleep(60)", "while True: pass"])
def test_what_does_not_end_is_ended_at_its_limit_and_keeps_what_it_gave(go, ending):
    found = go(f"import time\n{SAY}\n{ending}", limit=1.0)
    assert found["a"]["status"] == "ok"
    assert found["b"]["status"] == "timeout" and "1 s" in found["b"]["error"]


def lives(pid):
    """Whether a process is there and is more than what its parent has yet to read."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def grandchild(file, **options):
    """Code that starts a process which sleeps, and writes down its id."""
    start = f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], **{options!r})"
    return f"import pathlib, subprocess, sys, time\npathlib.Path({str(file)!r}).write_text(str({start}.pid))"


def test_what_it_started_is_ended_with_it(go, tmp_path):
    go(f"{grandchild(tmp_path / 'pid')}\ntime.sleep(60)", limit=2.0)
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not lives(pid):
            break
        time.sleep(0.1)
    assert not lives(pid)


def test_a_grandchild_that_got_away_with_the_pipe_holds_nothing_up(go, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "_LAST_READ_S", 0.2)
    found = go(f"{grandchild(tmp_path / 'pid', start_new_session=True)}\n{SAY}")
    pid = int((tmp_path / "pid").read_text())
    assert lives(pid) and found["b"]["status"] == "garbage"
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", "oom"),
        ("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried", "oom"),
        ("MemoryError", "oom"),
        ("ValueError: no such thing", "crash"),
        ("benchmarks.Own: Error: odd", "crash"),
    ],
)
def test_a_process_that_dies_leaves_its_cause(go, said, status):
    # torchrun adds a page of its own below.
    page = "====\ntorch.distributed.elastic.multiprocessing.errors.ChildFailedError:\n===="
    found = go(f"import sys\n{SAY}\nsys.stderr.write({'Traceback' + chr(10) + said + chr(10)!r})\nsys.exit(1)")
    assert found["a"]["status"] == "ok"
    assert (found["b"]["status"], found["b"]["error"]) == (status, said)
    if status == "oom" or said.startswith("ValueError"):
        code = f"import sys\nsys.stderr.write({said + chr(10) + page!r})\nsys.exit(1)"
        assert (go(code)["a"]["status"], go(code)["a"]["error"]) == (status, said)


def test_an_error_of_one_case_is_not_the_cause_of_another_s_silence(go):
    told = "torch.OutOfMemoryError: CUDA out of memory.\n...\nKeyError: 'x'\n"
    assert go(f"import sys\nsys.stderr.write({told!r})\nsys.exit(1)")["a"]["status"] == "crash"


def test_a_process_that_is_killed_says_by_what(go):
    found = go("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert found["a"]["status"] == "crash" and "SIGKILL" in found["a"]["error"]


@pytest.mark.parametrize(
    "code", ["print('all well')", "", f"print({json.dumps({'phase': 'fake', 'case': 'a', 'status': 3})!r})"]
)
def test_a_process_that_ends_without_a_result_is_garbage(go, code):
    assert {entry["status"] for entry in go(code).values()} == {"garbage"}


def test_a_result_that_lacks_its_figures_is_garbage(go):
    found = go(f"print({line()!r})", cases=("a",))
    assert found["a"]["status"] == "garbage" and found["a"]["error"] == "lacks x"
    assert go(f"print({line(status='oom')!r})", cases=("a",))["a"]["status"] == "oom"


CASES = """
import sys, weakref
from pathlib import Path
import torch
from benchmarks.gpu.job import Absent, Job
job = Job("fake", Path(sys.argv[1]), rehearse=True)
kept = []

def full():
    tensor = torch.zeros(10)
    kept.append(weakref.ref(tensor))
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

print("noise")
with job.case("a") as found:
    found["x"] = 1
    full()
with job.case("b") as found:
    found |= {"freed": kept[0]() is None, "odd": [float("nan"), {"y": float("inf")}]}
with job.case("c") as found:
    raise ValueError("first line\\nsecond")
with job.case("d") as found:
    raise Absent("no such package")
with job.case("e") as found:
    raise KeyboardInterrupt
"""


def test_a_case_that_fails_is_a_line_and_the_next_begins_with_its_memory(go, tmp_path):
    pytest.importorskip("torch")
    code = f"import sys\nsys.argv = ['', {str(tmp_path)!r}]\n{CASES}"
    environment = runner.environment(plan.PHASES[0])
    found = go(code, cases=tuple("abcde"), env=environment, limit=60.0)
    assert (found["a"]["status"], found["a"]["x"]) == ("oom", 1)
    assert found["b"]["freed"] is True and found["b"]["odd"] == ["nan", {"y": "inf"}]
    assert (found["c"]["status"], found["c"]["error"]) == ("crash", "ValueError: first line")
    assert (found["d"]["status"], found["d"]["error"]) == ("absent", "no such package")
    assert (found["e"]["status"], found["e"]["error"]) == ("crash", "ended by SIGINT; KeyboardInterrupt")
    assert all(found[case]["wall_s"] >= 0 and found[case]["peak_gb"] > 0 for case in "abcd")


def test_the_plan_fits_ten_minutes_and_names_phases_that_there_are():
    assert sum(phase.limit_s for phase in plan.PHASES) <= 600
    for phase in plan.PHASES:
        assert phase.cases and find_spec(f"benchmarks.gpu.phases.{phase.name}") is not None
    assert [phase.name for phase in plan.chosen("mask,versions")] == ["versions", "mask"]
    assert plan.chosen(None) == list(plan.PHASES)
    with pytest.raises(ValueError, match="unknown phase 'masks'"):
        plan.chosen("versions,masks")


def test_starting_phases_imports_neither_torch_nor_the_package():
    heavy = ("torch", "listeval", "listopd", "pydantic")
    code = f"import sys, benchmarks.gpu.__main__\nprint([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


def test_lines_are_kept_as_they_come_and_the_last_of_a_case_counts(tmp_path):
    said = []
    record = results.recorder(tmp_path, rehearse=False, say=said.append)
    for entry in (
        {"phase": "mask", "case": "xgrammar", "status": "absent", "error": "not | installed"},
        {"phase": "parity", "case": "float32", "status": "ok", "loss": 0.5, "passes": False, "goal": "less"},
        {"phase": "parity", "case": "float32", "status": "ok", "loss": 0.25, "passes": True, "goal": "less"},
    ):
        record(entry)
        assert len((tmp_path / "results.jsonl").read_text().splitlines()) == len(said)
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write('{"phase": "pari')
    lines = results.read_lines(tmp_path)
    assert [(entry["case"], entry.get("loss")) for entry in lines] == [("float32", 0.25), ("xgrammar", None)]
    text = results.table(lines)
    assert "| parity | float32 | ok | yes (less) | loss 0.25 |" in text
    assert "not \\| installed" in text


def machine(**more):
    found = {"card": "NVIDIA H100 80GB HBM3", "date": "2026-11-26", "versions": {"torch": "2.11.0"}, "rehearsal": False}
    return {"phase": "versions", "case": "machine", "status": "ok", **found, **more}


def test_results_are_published_under_the_card_s_name(tmp_path):
    path = results.publish([machine()], tmp_path / "results")
    assert path.name == "nvidia-h100-80gb-hbm3-2026-11-26.json"
    assert json.loads(path.read_text()) == [machine()]
    page = path.with_suffix(".md").read_text()
    assert page.startswith("# NVIDIA H100 80GB HBM3, 2026-11-26") and "torch 2.11.0" in page


@pytest.mark.parametrize(
    ("lines", "said"),
    [([machine(rehearsal=True)], "rehearsal"), ([], "card"), ([machine(status="crash")], "card")],
)
def test_a_rehearsal_and_a_card_without_a_name_are_not_published(tmp_path, lines, said):
    with pytest.raises(ValueError, match=said):
        results.publish(lines, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("oom", 0), ("absent", 0), ("timeout", 1), ("crash", 1)])
def test_out_of_memory_is_a_result_and_a_crash_is_none(tmp_path, monkeypatch, status, code, capsys):
    def fake(phase, start, out, record, env):
        for case in phase.cases:
            record({"phase": phase.name, "case": case, "status": status})

    monkeypatch.setattr(program, "run_phase", fake)
    assert program.main(["--phases", "mask", "--out", str(tmp_path)]) == code
    assert program.main(["--show", "--out", str(tmp_path)]) == code
    assert capsys.readouterr().out.count(f"| mask | xgrammar | {status} |") == 2


@pytest.mark.parametrize("given", [["--phases", "nothing"], ["--show", "--publish"]])
def test_wrong_words_end_with_a_line(tmp_path, given, capsys):
    with pytest.raises(SystemExit) as stopped:
        program.main([*given, "--out", str(tmp_path)])
    assert stopped.value.code == 2 and "error: " in capsys.readouterr().err


def test_a_step_agrees_only_where_all_of_it_does():
    one = {"loss": 0.2, "grad_norm": 10.0, "reverse_kl": 0.1, "logp_after": -0.15}
    assert recorded.agrees(one | {"loss": 0.20009, "grad_norm": 10.009}, one)
    for name, off in (("loss", 2e-4), ("grad_norm", 0.02), ("reverse_kl", 2e-4), ("logp_after", -2e-4)):
        assert not recorded.agrees(one | {name: one[name] + off}, one)


def test_without_a_gpu_it_says_so_and_measures_nothing(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert program.main(["--phases", "versions", "--out", str(tmp_path)]) == 1
    (found,) = results.read_lines(tmp_path)
    assert found["status"] == "crash" and "--rehearse" in found["error"]


def test_what_only_a_gpu_is_asked(tmp_path, monkeypatch):
    """The calls exist under these names, and their numbers land where they belong."""
    torch = pytest.importorskip("torch")
    from benchmarks.gpu import job
    from benchmarks.gpu.phases import versions

    device, called = torch.device("cuda", 0), []
    for name in ("synchronize", "reset_peak_memory_stats", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, lambda *_, name=name: called.append(name))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 3_000_000_000)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1_000_000_000, 2_000_000_000))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H100 80GB HBM3")
    properties = SimpleNamespace(major=9, minor=0, multi_processor_count=132)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    job.wait(device)
    job.reset_peak(device)
    job.free(device)
    assert called == ["synchronize", "reset_peak_memory_stats", "empty_cache"]
    assert job.peak_gb(device) == 3.0
    card = versions.card(device)
    assert (card["card"], card["free_gb"], card["total_gb"]) == ("NVIDIA H100 80GB HBM3", 1.0, 2.0)
    assert card["capability"] == "9.0"


@pytest.mark.parametrize(("name", "billions"), [("QWEN3_1_7B", 1.72), ("QWEN3_4B", 4.02)])
def test_the_shapes_are_those_that_they_are_called(name, billions):
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from benchmarks.gpu import networks

    network = networks.random_network(getattr(networks, name), torch.device("meta"), seed=0, frozen=True)
    assert sum(p.numel() for p in network.parameters()) / 1e9 == pytest.approx(billions, abs=0.01)
    assert network.get_output_embeddings().weight is network.get_input_embeddings().weight


def test_synthetic_answers_are_the_same_at_every_call_and_as_long_as_asked():
    pytest.importorskip("torch")
    from benchmarks.gpu.networks import synthetic
    from listopd.questions import Question

    question = Question("q", (1,), (1,), None, 0)
    once, again = (synthetic(question, 200, 1200, 200, 1024) for _ in range(2))
    assert once == again and len({rollout.question.key for rollout in once}) == 200
    lengths = [len(rollout.question.prompt) for rollout in once]
    assert 900 <= min(lengths) < max(lengths) <= 1500 and abs(sum(lengths) / 200 - 1200) < 40
    assert {len(rollout.logp) == len(rollout.answer) for rollout in once} == {True}
    assert max(max(rollout.answer) for rollout in once) < 1024


def test_a_training_is_killed_once_its_steps_are_logged(tmp_path):
    pytest.importorskip("torch")
    from benchmarks.gpu.phases import tiny

    log = f"open({str(tmp_path / 'log.jsonl')!r}, 'a', buffering=1)"
    code = f"import time\nf = {log}\nfor i in range(3): f.write('{{}}\\n')\nf.write('{{')\nf.flush()\n"
    assert tiny.kill_after([sys.executable, "-c", code + "time.sleep(60)"], tmp_path, 3) == [{}, {}, {}]
    with pytest.raises(RuntimeError, match="ended with 3 after 3 steps"):
        tiny.kill_after([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, 4)


REHEARSED = {"large": ("compiled", "not compiled"), "parity": ("float32", "bfloat16"), "fsdp": ("bfloat16",),
             "tiny": ("probe", "kill, resume", "run, permutation")}  # fmt: skip
"""What has to hold at any size and on any device."""


@pytest.mark.slow
def test_every_phase_runs_at_a_tiny_size_on_a_cpu(tmp_path, monkeypatch):
    for package in ("torch", "transformers", "accelerate", "peft", "xgrammar"):
        pytest.importorskip(package)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    program.main(["--rehearse", "--out", str(tmp_path)])
    found = {(entry["phase"], entry["case"]): entry for entry in results.read_lines(tmp_path)}
    for phase in plan.PHASES:
        for case, keys in phase.cases.items():
            entry = found[phase.name, case]
            assert entry["status"] == "ok", (entry, (tmp_path / f"{phase.name}.err").read_text()[-3000:])
            assert set(keys) <= set(entry)
    for name, cases in REHEARSED.items():
        for case in cases:
            assert found[name, case]["passes"] is True, found[name, case]
    masks = [found["mask", case]["allowed"] for case in ("permutation", "permutation, priced", "xgrammar")]
    assert masks[0] > 0 and len(set(masks)) == 1, "all masks leave the same tokens"
    assert found["compile", "layers"]["largest_difference"] < 0.05 and found["compile", "layers"]["moved"] > 0
    assert found["variants", "lora"]["times_floor"] > 0 and found["fsdp", "bfloat16"]["sharded"] is True
    assert all(entry["rehearsal"] and not entry.get("error") for entry in found.values())
