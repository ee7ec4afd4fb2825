"""Two processes train as one does: every answer once, means over all tokens, the same step."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from listeval.errors import UserError  # noqa: E402
from listopd import on_policy, sft, stages  # noqa: E402
from listopd.parallel import check_shares, check_version, keep_float32, share  # noqa: E402
from listopd.recipe import Recipe  # noqa: E402
from tests.listopd.conftest import weights_in  # noqa: E402
from tests.listopd.launched import ACCELERATE, FSDP, SHARDING, assert_alike, launch, trained, written  # noqa: E402

SHARED = {"precision": {"save": "float32", "tokens_per_pass": 128}}


def process(index, count):
    return SimpleNamespace(process_index=index, num_processes=count)


def test_shares_are_disjoint_and_whole():
    parts = [share(list(range(12)), process(i, 3)) for i in range(3)]
    assert sorted(item for part in parts for item in part) == list(range(12))


@pytest.mark.parametrize(("items", "minibatches", "said"), [(7, 1, "multiple of 2"), (6, 2, "multiple of 4")])
def test_shares_that_do_not_come_out_even_are_refused(items, minibatches, said):
    with pytest.raises(UserError, match=said):
        check_shares(items, minibatches, process(0, 2))
    check_shares(8, 2, process(0, 2))


@pytest.mark.parametrize("ended", [None, UserError("no"), KeyboardInterrupt(), RuntimeError("bug")], ids=repr)
@pytest.mark.parametrize("stage", ["sft", "opd"])
def test_however_a_training_ends_its_processes_leave_each_other(tmp_path, monkeypatch, stage, ended):
    """gloo's threads abort a Python that ends before they do."""
    group = torch.distributed
    group.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)

    def end(*args, **more):
        assert group.is_initialized()
        if ended is not None:
            raise ended

    monkeypatch.setattr({"sft": sft, "opd": on_policy}[stage], f"train_{stage}", end)
    section = {"steps": 1, "optimiser": {"lr": 1e-2}}
    models = {"sft": {"model": "m"}, "opd": {"student": "s", "teacher": "t"}}
    recipe = Recipe.model_validate({stage: section | models[stage]})
    with nullcontext() if ended is None else pytest.raises(type(ended)):
        stages.train(recipe, stage, tmp_path / "out", lambda *_: None)
    assert not group.is_initialized()


GROUP = torch.distributed
GLOO = "[/pytorch/third_party/gloo/gloo/transport/tcp/"
LOST = [
    RuntimeError(f"{GLOO}pair.cc:553] Connection closed by peer [127.0.0.1]:26030."),
    RuntimeError(f"{GLOO}pair.cc:537] Read error [127.0.0.1]:41605: Connection reset by peer."),
    RuntimeError(f"{GLOO}unbound_buffer.cc:78] Timed out waiting 3000ms for recv operation to complete"),
    GROUP.DistStoreError("Timed out after 4 seconds waiting for clients. 1/2 clients joined."),
    GROUP.DistNetworkError("The client socket has timed out after 3000ms while trying to connect"),
    GROUP.DistBackendError("NCCL error in: NCCLUtils.cpp:77, network error\nncclRemoteError: A call failed"),
    GROUP.DistBackendError("NCCL communicator was aborted on rank 1. Original reason for failure was: timeout"),
]
OWN = [
    RuntimeError("shapes cannot be multiplied"),
    torch.cuda.OutOfMemoryError("CUDA out of memory"),
    GROUP.DistBackendError("NCCL error in: NCCLUtils.cpp:77\nncclInvalidUsage: \nLast error:\nDuplicate GPU detected"),
]


@pytest.mark.parametrize(("error", "lost"), [*((one, True) for one in LOST), *((one, False) for one in OWN)], ids=str)
def test_who_lost_another_process_says_so_in_a_line_and_who_did_not_keeps_its_error(monkeypatch, tmp_path, error, lost):
    def end(*args, **more):
        raise error

    monkeypatch.setattr(sft, "train_sft", end)
    recipe = Recipe.model_validate({"sft": {"model": "m", "steps": 1, "optimiser": {"lr": 1e-2}}})
    with pytest.raises(UserError if lost else type(error)) as told:
        stages.train(recipe, "sft", tmp_path / "out", lambda *_: None)
    assert not lost or "another process of this training ended" in str(told.value)


@pytest.mark.slow
def test_a_fault_of_one_process_is_told_by_it_and_no_other_shows_a_traceback(pairs, checkpoint, tmp_path):
    section = {"model": checkpoint(0), "steps": 1, "batch": 8, "optimiser": {"lr": 1e-2}}
    recipe = written(Recipe.model_validate({"task": "pairs", "sft": section} | SHARED), tmp_path / "run")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # By hand: torchrun stops the second as soon as it sees the first end.
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    # Only the first process makes the folder.
    command = ["listeval", "train", "sft", recipe, "--out", "/proc/none/run"]
    with ThreadPoolExecutor(2) as pool:
        ranks = [group | {"RANK": rank, "LOCAL_RANK": rank} for rank in ("0", "1")]
        first, second = pool.map(lambda settings: launch(command, settings), ranks)
    for done, cause in ((first, "cannot create the run"), (second, "another process of this training ended")):
        last = done.stderr.splitlines()[-1]
        assert done.returncode == 2 and last.startswith("listeval: ") and cause in last, done.stderr
        assert "Traceback" not in done.stderr


SAMPLED = {"kind": "ppo", "minibatches": 2, "clips": {"epsilon_low": 0.2, "epsilon_high": 0.2}}
EXACT = {"divergence": "rkl", "minibatches": 2}


def opd(opd_recipe, objective, **extra):
    beyond = {"kind": "constant", "value": 1.5}
    return opd_recipe(
        batch=8, max_tokens=12, objective=objective, extrapolation=beyond, shared=SHARED | {"save_every": 2}, **extra
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "objective"),
    [({}, SAMPLED), (FSDP, SAMPLED), (FSDP, EXACT)],
    ids=["ddp", "fsdp2", "fsdp2, exact"],
)
def test_two_processes_distil_as_one(opd_recipe, train, taught, tmp_path, settings, objective):
    recipe = opd(opd_recipe, objective, student=taught(12), teacher=taught(40))
    two, one = trained(recipe, "opd", tmp_path / "two", settings), train(recipe)
    assert_alike(two, one)
    # The state of the last step loads to the very weights, in each process its part.
    again = trained(recipe, "opd", tmp_path / "two", settings, "--resume")
    assert all(torch.equal(tensor, again.weights[name]) for name, tensor in two.weights.items())


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, FSDP], ids=["ddp", "fsdp2"])
def test_two_processes_warm_start_as_one(pairs, train, checkpoint, tmp_path, settings):
    section = {"model": checkpoint(0), "steps": 3, "batch": 8, "optimiser": {"lr": 1e-2}}
    recipe = Recipe.model_validate({"task": "pairs", "sft": section} | SHARED)
    assert_alike(trained(recipe, "sft", tmp_path / "two", settings), train(recipe, stage="sft"))


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, FSDP], ids=["ddp", "fsdp2"])
def test_two_processes_keep_the_whole_adapter(pairs, checkpoint, tmp_path, settings):
    pytest.importorskip("peft", reason="needs peft")
    from listeval.models.adapter import open_adapter
    from listopd.merge import merge

    lora = {"rank": 3, "alpha": 5.0}
    section = {"model": checkpoint(0), "steps": 2, "batch": 8, "optimiser": {"lr": 1e-1}, "lora": lora}
    recipe = Recipe.model_validate({"task": "pairs", "sft": section} | SHARED)
    two = trained(recipe, "sft", tmp_path / "two", settings)
    adapter = open_adapter(str(two.out / "adapter"))
    made = weights_in(merge(adapter, adapter.base, tmp_path / "merged"))
    assert all(torch.equal(tensor, made[name]) for name, tensor in two.weights.items())


def test_sharding_keeps_float32_weights_whatever_accelerate_would_compute_in():
    plugin = SimpleNamespace(mixed_precision_policy="bfloat16")
    keep_float32(SimpleNamespace(state=SimpleNamespace(fsdp_plugin=plugin)))
    assert plugin.mixed_precision_policy is None
    keep_float32(SimpleNamespace(state=SimpleNamespace()))


def test_only_the_second_fsdp_trains():
    check_version(SimpleNamespace(state=SimpleNamespace()))
    check_version(SimpleNamespace(state=SimpleNamespace(fsdp_plugin=SimpleNamespace(fsdp_version=2))))
    with pytest.raises(UserError, match=r"FSDP 1 .*--fsdp_version 2"):
        check_version(SimpleNamespace(state=SimpleNamespace(fsdp_plugin=SimpleNamespace(fsdp_version=1))))


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, FSDP], ids=["ddp", "fsdp2"])
def test_in_bfloat16_too_the_base_is_the_start_exactly_at_step_0(opd_recipe, taught, tmp_path, settings):
    """With the start as teacher, too, A = (S - S) + (λ - 1)(S - B) and the penalty is k3(S, B): 0 only if S - B is."""
    start = taught(12)
    recipe = opd_recipe(
        student=start,
        teacher=start,
        batch=8,
        max_tokens=12,
        extrapolation={"kind": "constant", "value": 2.0},
        objective={"kl_to_base": 0.5},
        optimiser={"weight_decay": 0.0},
        shared={"precision": {"save": "float32", "compute": "bfloat16"}},
    )
    # As a user launches it; the other tests use torchrun.
    launcher = [*ACCELERATE, *(SHARDING if settings else ["--multi_gpu"])]
    run = trained(recipe, "opd", tmp_path / "two", settings, launcher=launcher)
    for line in run.log:
        exact = ("reverse_kl", "advantage_mean", "advantage_std", "loss", "grad_norm")
        assert [line[name] for name in exact] == [0] * len(exact)
    assert run.manifest["precision"]["compute"] == "bfloat16"
