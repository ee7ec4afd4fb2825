"""Whatever a user gets wrong: one line that names cause, place and fix, exit code 2, no traceback."""

import json
import resource

import pytest

RUN = ("run", "--task", "fashion", "--model", "m", "--backend", "null")


def one_line(done, *words):
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("listeval: ")
    for word in words:
        assert word in line, line
    return line


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("rum",), ("'rum'", "did you mean 'run'")),
        (("run", "--task", "fashon", "--model", "m"), ("'fashon'", "did you mean 'fashion'")),
        (("run", "--model", "m"), ("task", "--task")),
        (("run", "--task", "fashion", "--model", "m", "--backend", "vlm"), ("'vlm'", "did you mean 'vllm'")),
        (("run", "--task", "fashion", "--backend", "nul"), ("'nul'", "did you mean 'null'")),
        (("run", "--backend", "hff"), ("'hff'", "did you mean 'hf'")),
        ((*RUN, "--set", "k"), ("NAME=VALUE",)),
        ((*RUN, "--set", "q=4"), ("'q'", "known: cap, k, labels, order, shots, split")),
        ((*RUN, "--set", "k=one"), ("--set k",)),
        ((*RUN, "--limit", "0"), ("--limit",)),
        ((*RUN, "--limit", "few"), ("--limit",)),
        ((*RUN, "--temperature", "-1"), ("--temperature",)),
        ((*RUN, "--nope"), ("--nope",)),
        ((*RUN, "--data", "no/such.jsonl"), ("no/such.jsonl",)),
        ((*RUN, "--set", "k=99"), ("99",)),
        ((*RUN, "--samples", "nope"), ("'nope'",)),
        ((*RUN, "--temperature", "inf"), ("--temperature",)),
        ((*RUN, "--out", "/proc/self"), ("/proc/self", "--out")),
        (("run", "@nowhere"), ("nowhere",)),
        (("run", "nowhere"), ("@nowhere",)),
        (("report", "nowhere"), ("nowhere", "not a run")),
        (("show", "nowhere", "--kind", "dupe"), ("'dupe'",)),
        (("run", "--task", "fashion", "--model", "no/such/folder", "--backend", "hf"), ("no/such/folder",)),
        (("run", "--task", "fashion", "--model", "m", "--backend", "openai"), ("--base-url",)),
        (("run", "--task", "fashion", "--model", "m", "--backend", "replay"), ("m",)),
    ],
)
def test_wrong_words(listeval, args, words):
    one_line(listeval(*args, env={"OPENAI_BASE_URL": "", "HF_HUB_OFFLINE": "1"}), *words)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.jsonl", b"", ("empty.jsonl",)),
        ("torn.jsonl", b'{"product": "a"\n', ("torn.jsonl:1",)),
        ("binary.jsonl.gz", b"\x00\x01", ("binary.jsonl.gz",)),
        ("list.json", b"[1, 2]\n", ("list.json",)),
        ("other.jsonl", b'{"a": 1}\n', ("other.jsonl",)),
        ("other.csv", b"a,b\n1,2\n", ("other.csv",)),
    ],
)
def test_bad_data(listeval, tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    one_line(listeval(*RUN, "--data", name), *words)


def test_a_plugin_that_does_not_import_names_its_line_and_hurts_no_other(listeval, tmp_path):
    for name, code in {"bad": "import listeval\nraise RuntimeError('no')\n", "worse": "def (\n", "none": ""}.items():
        (tmp_path / "tasks" / name).mkdir(parents=True)
        (tmp_path / "tasks" / name / "task.py").write_text(code)
    one_line(listeval("run", "--task", "bad", "--model", "m"), "bad/task.py:2", "RuntimeError")
    one_line(listeval("run", "--task", "worse", "--model", "m"), "worse/task.py:1", "SyntaxError")
    one_line(listeval("run", "--task", "none", "--model", "m"), "exactly one Task")
    assert listeval(*RUN, "--limit", 2, "--json").returncode == 0


def test_another_configuration_in_the_same_directory(listeval):
    assert listeval(*RUN, "--limit", 2, "--out", "r").returncode == 0
    one_line(listeval(*RUN, "--limit", 2, "--out", "r", "--max-tokens", 9), "max_tokens", "--out")


def test_an_out_that_is_a_file(listeval, tmp_path):
    (tmp_path / "file").touch()
    one_line(listeval(*RUN, "--out", "file"), "file", "--out")


def test_a_full_disk_keeps_what_was_computed(listeval, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    done = listeval(*RUN, "--out", "r", preexec_fn=limit)
    one_line(done, "samples.jsonl", "same command")
    rows = (tmp_path / "r" / "samples.jsonl").read_bytes()
    assert rows.endswith(b"\n") and rows.count(b"\n") > 3
    assert [json.loads(line) for line in rows.splitlines()]
    found = json.loads(listeval(*RUN, "--out", "r", "--json").stdout)
    assert found["n"] == 56
    assert (tmp_path / "r" / "samples.jsonl").read_bytes().startswith(rows)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe\x00", ("c.yaml",)),
        (b"task: fashion\nmodel: 5\n", ("--model",)),
        (b"task: fashion\nmodel: m\nlimt: 5\n", ("'limt'", "did you mean 'limit'")),
        (b"- a\n", ("c.yaml", "mapping")),
        (b"a: [\n", ("c.yaml",)),
    ],
)
def test_bad_config_files(listeval, tmp_path, content, words):
    (tmp_path / "c.yaml").write_bytes(content)
    one_line(listeval("run", "@c.yaml"), *words)


def test_an_example_that_is_not_shown_is_not_there_or_of_another_kind(listeval, tmp_path):
    run = ("run", "--task", "fashion", "--model", "gold", "--backend", "null", "--limit", 3, "--out", "r", "--quiet")
    assert listeval(*run).returncode == 0
    rows = [json.loads(line) for line in (tmp_path / "r" / "samples.jsonl").read_text().splitlines()]
    first = rows[0]["example"]
    for asked in ((), ("--kind", "any"), ("--kind", "empty")):
        line = one_line(listeval("show", "r", "--sample", "nope", *asked), "no example 'nope'", "show r --kind any")
        assert "of that kind" not in line
        one_line(listeval("show", "r", "--sample", first[:-1], *asked), f"did you mean '{first}'")
    one_line(listeval("show", "r", "--sample", first, "--kind", "empty"), f"'{first}' is ok here, not empty", "--kind")
    assert listeval("show", "r", "--sample", first, "--kind", "ok").returncode == 0


def test_a_damaged_run_is_named(listeval, tmp_path):
    listeval(*RUN, "--limit", 2, "--out", "r")
    manifest = tmp_path / "r" / "manifest.json"
    good = manifest.read_text()
    manifest.write_text(good.replace('"created"', '"creatd"'))
    one_line(listeval("report", "r"), "manifest.json")
    manifest.write_text(good)
    with (tmp_path / "r" / "samples.jsonl").open("a") as file:
        file.write('{"key": "a"}\n')
    one_line(listeval("report", "r"), "samples.jsonl:3")
