"""Whatever becomes of a saved state, it is named in one line; nothing is trained on damage."""

from __future__ import annotations

import json
import os
import signal
from hashlib import sha256

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from listeval.errors import UserError  # noqa: E402
from listopd import state as states  # noqa: E402


def stop_at(last):
    def report(step, steps, figures):
        if step == last:
            os.kill(os.getpid(), signal.SIGINT)

    return report


@pytest.fixture
def stopped(opd_recipe, train, tmp_path):
    """A recipe with an adaptive λ, and a run by it that was stopped after its first step."""
    beyond = {"kind": "guarded", "value": 1.5}
    recipe, out = opd_recipe(extrapolation=beyond, shared={"precision": {"save": "float32"}}), tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        train(recipe, out=out, report=stop_at(1))
    return recipe, out


def refused(train, recipe, out, said):
    before = (out / "log.jsonl").read_bytes()
    with pytest.raises(UserError, match=said) as error:
        train(recipe, out=out, resume=True)
    assert "\n" not in str(error.value)
    assert (out / "log.jsonl").read_bytes() == before and not (out / "checkpoint").exists()


def files_of(out):
    return sorted(file for file in (out / "state").rglob("*") if file.is_file())


def test_every_file_of_a_state_is_under_its_seal(stopped, train):
    recipe, out = stopped
    names = {file.name for file in files_of(out)}
    assert names == {"step.json", ".metadata", "__0_0.distcp"}
    for file in files_of(out):
        whole = file.read_bytes()
        for damaged in (whole[: len(whole) // 2], b"", whole[:-1] + bytes([whole[-1] ^ 1]), whole + b"\0"):
            file.write_bytes(damaged)
            refused(train, recipe, out, "the state is damaged|the state cannot be read")
        file.unlink()
        refused(train, recipe, out, "is missing|cannot be read")
        file.write_bytes(whole)
    assert len(train(recipe, out=out, resume=True).log) == 2


def test_single_flipped_bits_anywhere_are_found(stopped):
    _, out = stopped
    folder, generator = out / "state", torch.Generator().manual_seed(0)
    for file in files_of(out):
        whole = file.read_bytes()
        for _ in range(40):
            at, bit = (int(torch.randint(n, (), generator=generator)) for n in (len(whole), 8))
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            with pytest.raises(UserError) as error:
                states.unseal(folder)
            assert "\n" not in str(error.value)
        file.write_bytes(whole)
    assert states.unseal(folder).step == 1


def test_a_foreign_file_in_a_state_is_no_part_of_it(stopped, train):
    recipe, out = stopped
    (out / "state" / "custom_checkpoint_0.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    refused(train, recipe, out, "custom_checkpoint_0.pkl is no part of it")


@pytest.mark.parametrize("step", [-1, 0, 3, 10**9])
def test_an_impossible_step_is_refused_even_under_a_right_seal(stopped, train, step):
    recipe, out = stopped
    file = out / "state" / "step.json"
    content = json.loads(file.read_text())
    del content["digest"]
    content["step"] = step
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    file.write_text(json.dumps({**content, "digest": sha256(canonical.encode()).hexdigest()}))
    refused(train, recipe, out, "which there is not")


def test_the_state_of_another_policy_is_one_line(stopped, train):
    recipe, out = stopped
    other = recipe.model_copy(
        update={"opd": recipe.opd.model_copy(update={"extrapolation": type(recipe.opd.extrapolation)(value=1.2)})}
    )
    refused(train, other, out, r"recipe is not the one.*\(opd.extrapolation.value\)")


class Full:
    """A disk that is full once so many bytes are asked of it."""

    def __init__(self, monkeypatch, name):
        self.armed = False
        kept = getattr(torch, name)

        def save(*args, **kwargs):
            if self.armed:
                raise OSError(28, "No space left on device")
            return kept(*args, **kwargs)

        monkeypatch.setattr(torch, name, save)


def test_a_full_disk_while_a_state_is_saved_keeps_the_one_before(opd_recipe, train, tmp_path, monkeypatch):
    disk, recipe = Full(monkeypatch, "save"), opd_recipe(steps=3, shared={"save_every": 1})

    def report(step, steps, figures):
        disk.armed = step == 2

    with pytest.raises(UserError, match=r"state of step 2 cannot be saved.*No space left.*--resume goes on"):
        train(recipe, out=tmp_path / "run", report=report)
    assert states.unseal(tmp_path / "run" / "state").step == 1
    assert not (tmp_path / "run" / ".state.new").exists()
    disk.armed = False
    assert len(train(recipe, out=tmp_path / "run", resume=True).log) == 3


def test_a_full_disk_at_the_first_state_promises_nothing(opd_recipe, train, tmp_path, monkeypatch):
    Full(monkeypatch, "save").armed = True
    with pytest.raises(UserError, match=r"state of step 1 cannot be saved.*begin anew: no state was saved"):
        train(opd_recipe(shared={"save_every": 1}), out=tmp_path / "run")


@pytest.mark.parametrize("what", ["checkpoint", "log"])
def test_a_full_disk_elsewhere_is_one_line_too(opd_recipe, train, tmp_path, monkeypatch, what):
    from pathlib import Path

    from listopd import training_loop as session

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    kept = Path.open
    if what == "checkpoint":
        monkeypatch.setattr(session, "save_network", full)
    else:
        opens = lambda self, mode="r", **more: (full if mode == "a" else kept)(self, mode, **more)  # noqa: E731
        monkeypatch.setattr(Path, "open", opens)
    with pytest.raises(UserError, match=rf"the {what} cannot be written.*No space left on device") as error:
        train(opd_recipe(shared={"save_every": 1}), out=tmp_path / "run")
    assert "\n" not in str(error.value)
    assert not any((tmp_path / "run").glob("*checkpoint*"))


def test_nan_before_the_first_state_promises_nothing_and_after_it_the_last(opd_recipe, train, tmp_path, monkeypatch):
    from listopd import distillation as distil

    kept, calls = distil.aggregate, []

    def aggregate(*args):
        calls.append(1)
        return kept(*args) * (float("nan") if len(calls) == bad else 1.0)

    monkeypatch.setattr(distil, "aggregate", aggregate)
    recipe, bad = opd_recipe(shared={"save_every": 1}), 1
    with pytest.raises(UserError, match=r"the loss is nan in step 1.*begin anew: no state was saved"):
        train(recipe, out=tmp_path / "first")
    calls.clear()
    bad = 2
    with pytest.raises(UserError, match=r"the loss is nan in step 2.*--resume goes on from the last state"):
        train(recipe, out=tmp_path / "second")
    assert states.unseal(tmp_path / "second" / "state").step == 1


def test_a_policy_s_state_is_sealed_not_pickled(stopped):
    _, out = stopped
    saved = states.unseal(out / "state")
    assert saved.policy["total"] == 4 and not list((out / "state").glob("custom*"))
