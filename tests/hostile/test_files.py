"""What stands in the place of a run's files, what killed writes leave, and a machine that refuses."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from listeval.disk import write_atomic
from listeval.errors import UserError
from listeval.runs.lock import exclusive
from tests.hostile.damage import Original

ROOT = Path(__file__).resolve().parents[2]
FILES = ("manifest.json", "samples.jsonl", "metrics.json", "ledger", ".lock")
PRECIOUS = b"the user's own words\n"
VERBS = ("run @r --quiet --limit 9", "score r", "report r", "show r", "compare other r",
         "run --task fashion --model m --backend null --out r --quiet")  # fmt: skip


@pytest.fixture
def precious(cli, null_run, tmp_path):
    cli("run --task fashion --model m --backend null --limit 8 --out other --quiet")
    file = tmp_path / "precious"
    file.write_bytes(PRECIOUS)
    return file


PLACED = {
    "a link": lambda path, target: path.symlink_to(target),
    "a link to nothing": lambda path, target: path.symlink_to("nowhere"),
    "a link to itself": lambda path, target: path.symlink_to(path.name),
    "a pipe": lambda path, target: os.mkfifo(path),
    "a folder": lambda path, target: path.mkdir(),
    "a device": lambda path, target: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("what", PLACED)
def test_nothing_but_a_regular_file_is_read_or_written(cli, null_run, precious, what, file):
    runs = Original(null_run)
    for verb in VERBS:
        runs.restore()
        (null_run / file).unlink()
        PLACED[what](null_run / file, precious)
        code, _, err = cli(verb)
        assert code in (0, 2)
        assert "Traceback" not in err
        if code:
            assert f"r/{file}" in err
            assert "not a regular file" in err or "Is a directory" in err
        assert precious.read_bytes() == PRECIOUS
        assert not (null_run / "nowhere").exists()


def test_a_file_of_the_user_s_is_never_emptied_for_a_lock(cli, null_run, precious):
    for place in (lambda lock: os.link(precious, lock), lambda lock: lock.write_bytes(PRECIOUS)):
        (null_run / ".lock").unlink()
        place(null_run / ".lock")
        code, _, err = cli("score r")
        assert (code, "r/.lock" in err, "no lock of listeval" in err) == (2, True, True)
        assert (null_run / ".lock").read_bytes() == precious.read_bytes() == PRECIOUS


def test_an_appendix_is_not_written_through_a_link_and_no_other_file_is_removed(cli, null_run, precious, tmp_path):
    metrics = json.loads((null_run / "metrics.json").read_bytes())
    metrics["files"] = ["../precious", str(precious), "/etc/hostname", ".lock", "samples.jsonl", "", ".", "stale.txt"]
    (null_run / "metrics.json").write_text(json.dumps(metrics))
    (null_run / "stale.txt").symlink_to(precious)
    assert cli("score r")[0] == 0
    assert precious.read_bytes() == PRECIOUS
    assert not (null_run / "stale.txt").is_symlink()
    assert (null_run / "samples.jsonl").exists()


def test_a_label_store_with_a_link_for_an_attempt_is_refused(tmp_path):
    from listeval.labelling.campaign import Campaign
    from listeval.labelling.judge_server import Judge
    from listeval.labelling.rubric import load_rubric

    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "attempt-1").symlink_to(tmp_path / "elsewhere")
    judge = Judge("http://127.0.0.1:9/v1", "m")
    campaign = Campaign(load_rubric("helpfulness"), judge, 1, 0.0, 9, {}, str(tmp_path / "store"))
    with pytest.raises(UserError, match="attempt-1"):
        list(campaign.answers())


def dead():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_killed_writes_left_is_swept(cli, null_run):
    gone = dead()
    left = [null_run / f".{name}.{gone}" for name in ("metrics.json", "manifest.json", "samples.jsonl", "trec.run")]
    kept = [null_run / f".metrics.json.{os.getppid()}", null_run / "notes.1", null_run / ".notes"]
    for file in (*left, *kept):
        file.write_text("x")
    (null_run / f".folder.{gone}").mkdir()
    assert cli("report r")[0] == 0
    assert all(file.exists() for file in left)
    assert cli("score r")[0] == 0
    assert not any(file.exists() for file in left)
    assert all(file.exists() for file in kept)


def test_a_write_sweeps_its_own_leftovers_and_follows_no_link(tmp_path):
    target = tmp_path / "target"
    target.write_bytes(PRECIOUS)
    (tmp_path / f".f.{os.getpid()}").symlink_to(target)
    (tmp_path / "f").symlink_to(target)
    (tmp_path / f".f.{dead()}").write_text("x")
    write_atomic(tmp_path / "f", b"new")
    assert target.read_bytes() == PRECIOUS
    assert sorted(file.name for file in tmp_path.iterdir()) == ["f", "target"]
    assert not (tmp_path / "f").is_symlink() and (tmp_path / "f").read_bytes() == b"new"


def limited(line, cwd, limit, amount, **options):
    """A process of its own under a limit."""
    command = [sys.executable, "-m", "listeval", *line.split()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    set_limit = lambda: resource.setrlimit(limit, (amount, amount))  # noqa: E731
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, preexec_fn=set_limit, timeout=90, **options
    )


def one_line(done, *words):
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("listeval: ")
    for word in words:
        assert word in line, line


RUN = "run --task fashion --model m --backend null --limit 8 --quiet --out"


@pytest.mark.parametrize(
    ("size", "place"), [(0, "s/.lock"), (8, "s/manifest.json"), (1_000, "s/manifest.json"), (9_000, "s/samples.jsonl")]
)
def test_a_size_limit_names_the_file_it_stopped(tmp_path, size, place):
    done = limited(f"{RUN} s", tmp_path, resource.RLIMIT_FSIZE, size)
    one_line(done, place, "File too large", ". Fix: ")
    assert not [file for file in (tmp_path / "s").iterdir() if file.name.endswith(tuple("0123456789"))]
    done = limited(f"{RUN} s", tmp_path, resource.RLIMIT_FSIZE, -1)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", ["score r", "run @r --quiet"])
def test_a_size_limit_of_nothing_spoils_nothing(null_run, tmp_path, line):
    before = {file.name: file.read_bytes() for file in null_run.iterdir() if file.name != ".lock"}
    one_line(limited(line, tmp_path, resource.RLIMIT_FSIZE, 0), "r/.lock", "File too large")
    assert {file.name: file.read_bytes() for file in null_run.iterdir() if file.name != ".lock"} == before


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("left", [0, 1, 2, 4, 7])
def test_a_full_disk_names_the_file_and_loses_nothing(tmp_path, small_disk, left):
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        file.write(bytes((64 - left - 1) * 4096))
    done = limited(f"{RUN} disk/r", tmp_path, resource.RLIMIT_CORE, 0)
    one_line(done, "disk/r", "No space left on device")
    filler.unlink()
    done = limited(f"{RUN} disk/r --json", tmp_path, resource.RLIMIT_CORE, 0)
    assert json.loads(done.stdout)["n"] == 8


def test_a_full_stdout_is_said_to_be_that(null_run, tmp_path):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        command = [sys.executable, "-m", "listeval", "report", "r"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, stdout=full, stderr=subprocess.PIPE, text=True)
    # On a busy machine the pulse says before it that the verb is at work.
    last = done.stderr.splitlines()[-1]
    assert (done.returncode, last) == (2, "listeval: cannot write to stdout: No space left on device")


@pytest.mark.parametrize("mib", [400, 600])
def test_too_little_memory_is_one_line_or_enough(null_run, tmp_path, mib):
    """Below that, OpenBLAS waits for ever within `import numpy`."""
    done = limited("report r", tmp_path, resource.RLIMIT_AS, mib << 20)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2)


@pytest.mark.parametrize(
    "error",
    [
        ImportError("libopenblas.so: failed to map segment from shared object"),
        SystemError("<built-in function f> returned NULL without setting an exception"),
        SystemError("error return without exception set"),
        MemoryError(),
    ],
)
def test_a_library_without_memory_is_one_line(null_run, cli, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("listeval.runs.load_run", fail)
    code, _, err = cli("report r")
    assert (code, len(err.splitlines())) == (2, 1) and "memory" in err


@pytest.mark.parametrize("files", [8, 16])
def test_too_few_open_files_is_one_line_or_enough(null_run, tmp_path, files):
    done = limited("report r", tmp_path, resource.RLIMIT_NOFILE, files)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2)


def test_a_lock_says_who_holds_it(null_run, cli):
    with exclusive(null_run):
        code, _, err = cli("score r")
    assert (code, f"pid {os.getpid()}" in err) == (2, True)
