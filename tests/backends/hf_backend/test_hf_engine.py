"""The hf adapter against a bare `model.generate`, row by row, on tiny random checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from listeval.backends.hf import hf_engine as hf  # noqa: E402
from listeval.backends.protocol import BackendOptions, Completion, Message, Request  # noqa: E402
from listeval.errors import UserError  # noqa: E402
from listeval.models.checkpoint import stop_token_ids  # noqa: E402
from listeval.models.renderer import Renderer, load_tokenizer  # noqa: E402

Chats = list[tuple[Message, ...]]
MakeRequests = Callable[..., list[Request]]
MakeCheckpoint = Callable[..., Path]


@pytest.fixture(scope="module")
def backend(checkpoint: Path) -> Iterator[hf.HFBackend]:
    with hf.open(str(checkpoint), BackendOptions(device="cpu", batch_size=4)) as opened:
        yield opened


def by_key(completions: Iterator[Completion]) -> dict[str, Completion]:
    found = {completion.key: completion for completion in completions}
    assert all(completion.error is None for completion in found.values())
    return found


def bare(folder: Path, request: Request, stops: list[int]) -> list[int]:
    """What transformers itself generates for one unpadded prompt."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
    model.generation_config = transformers.GenerationConfig()
    ids = torch.tensor([request.prompt.token_ids])
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=request.sampling.max_tokens,
        do_sample=False,
        eos_token_id=stops,
        pad_token_id=0,
    )
    return out[0, ids.shape[1] :].tolist()


def test_every_padded_row_equals_a_bare_generate(
    backend: hf.HFBackend, checkpoint: Path, messages: Chats, make_requests: MakeRequests
) -> None:
    requests = make_requests(backend, messages)
    found = by_key(backend.generate(requests))
    stops = list(backend.settings()["stop_token_ids"])
    for request in requests:
        expected = bare(checkpoint, request, stops)
        ended = expected[-1] in stops
        assert list(found[request.key].token_ids) == (expected[:-1] if ended else expected)
        assert found[request.key].finish_reason == ("stop" if ended else "length")
        assert found[request.key].n_tokens == len(expected)
        assert found[request.key].n_prompt_tokens == len(request.prompt.token_ids)


def test_batch_size_changes_nothing(
    backend: hf.HFBackend, checkpoint: Path, messages: Chats, make_requests: MakeRequests
) -> None:
    single = hf.open(str(checkpoint), BackendOptions(device="cpu", batch_size=1))
    requests = make_requests(backend, messages)
    one, many = by_key(single.generate(requests)), by_key(backend.generate(requests))
    assert {key: c.token_ids for key, c in one.items()} == {key: c.token_ids for key, c in many.items()}


def test_stops_are_every_end_the_model_has(make_checkpoint: MakeCheckpoint) -> None:
    folder = make_checkpoint(generation={"eos_token_id": [7, 9]}, eos_token_id=[11])
    renderer = Renderer(load_tokenizer(folder))
    name = renderer.tokenizer.convert_tokens_to_ids
    assert stop_token_ids(folder, renderer) == tuple(sorted((7, 9, 11, name("<|endoftext|>"), name("<|im_end|>"))))


def test_a_turn_that_ends_in_plain_text_adds_no_stop(make_checkpoint: MakeCheckpoint) -> None:
    folder = make_checkpoint(template="{% for m in messages %}{{ m['content'] }}\n{% endfor %}")
    renderer = Renderer(load_tokenizer(folder))
    assert stop_token_ids(folder, renderer) == (renderer.tokenizer.eos_token_id,)


def test_each_stop_ends_a_row_and_is_counted_but_not_kept(
    backend: hf.HFBackend, make_checkpoint: MakeCheckpoint, messages: Chats, make_requests: MakeRequests
) -> None:
    free = by_key(backend.generate(make_requests(backend, messages)))
    # Declared as EOS, the fourth token of two rows must end them there (or earlier, where it comes up before).
    ends = [free["0"].token_ids[3], free["1"].token_ids[3]]
    folder = make_checkpoint(generation={"eos_token_id": ends})
    found = by_key(
        hf.open(str(folder), BackendOptions(device="cpu", batch_size=9)).generate(make_requests(backend, messages))
    )
    for key, completion in found.items():
        whole = free[key].token_ids
        cut = next((i for i, token in enumerate(whole) if token in ends), None)
        assert completion.token_ids == whole[:cut]
        assert completion.finish_reason == (free[key].finish_reason if cut is None else "stop")
        assert completion.n_tokens == (free[key].n_tokens if cut is None else cut + 1)
    assert found["0"].finish_reason == found["1"].finish_reason == "stop"


def test_sampling_parameters_of_the_checkpoint_are_ignored(
    backend: hf.HFBackend, make_checkpoint: MakeCheckpoint, messages: Chats, make_requests: MakeRequests
) -> None:
    own = {
        "do_sample": True,
        "temperature": 0.6,
        "top_p": 0.5,
        "top_k": 3,
        "repetition_penalty": 1.3,
        "min_new_tokens": 9,
    }
    folder = make_checkpoint(generation={**own, "max_new_tokens": 3, "suppress_tokens": list(range(50, 200))})
    requests = make_requests(backend, messages)
    plain = by_key(backend.generate(requests))
    other = by_key(hf.open(str(folder), BackendOptions(device="cpu", batch_size=4)).generate(requests))
    assert {k: c.token_ids for k, c in plain.items()} == {k: c.token_ids for k, c in other.items()}


def test_requests_are_read_lazily_and_answered_batch_by_batch(
    backend: hf.HFBackend, messages: Chats, make_requests: MakeRequests
) -> None:
    requests, read = make_requests(backend, messages * 10, max_tokens=1), 0

    def source() -> Iterator[Request]:
        nonlocal read
        for request in requests:
            read += 1
            yield request

    next(backend.generate(source()))
    assert read == 8 * 4 < len(requests)


def test_prompts_that_do_not_fit_are_refused_not_cut(
    backend: hf.HFBackend, messages: Chats, make_requests: MakeRequests
) -> None:
    long = (Message("user", "x" * 3000),)
    requests = make_requests(backend, [*messages[:2], long])
    requests.append(requests[0]._replace(key="foreign", prompt=requests[0].prompt._replace(token_ids=(10**6,))))
    found = {completion.key: completion for completion in backend.generate(requests)}
    assert [found[key].finish_reason == "error" for key in ("0", "1", "2", "foreign")] == [False, False, True, True]
    assert "leaves no room" in str(found["2"].error)
    assert "vocabulary" in str(found["foreign"].error)


def test_an_answer_ends_where_the_model_does(checkpoint: Path, messages: Chats, make_requests: MakeRequests) -> None:
    with hf.open(str(checkpoint), BackendOptions(device="cpu", max_model_len=300)) as short:
        requests = make_requests(short, messages, max_tokens=10_000)
        for completion in short.generate(requests):
            if completion.finish_reason == "length":
                assert completion.n_prompt_tokens + completion.n_tokens == 300


def test_a_failing_request_is_alone_in_failing(
    checkpoint: Path, messages: Chats, make_requests: MakeRequests, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = hf.open(str(checkpoint), BackendOptions(device="cpu", batch_size=9))
    requests = make_requests(opened, messages)
    expected = by_key(opened.generate(requests))
    real, sizes = opened._run, list[int]()

    def run(batch: list[Request], budget: int) -> Any:
        sizes.append(len(batch))
        if any(request.key == "5" for request in batch):
            raise torch.OutOfMemoryError("out of memory")
        return real(batch, budget)

    monkeypatch.setattr(opened, "_run", run)
    found = {completion.key: completion for completion in opened.generate(requests)}
    assert found.pop("5").error == "OutOfMemoryError: out of memory"
    assert {k: c.token_ids for k, c in found.items()} == {k: c.token_ids for k, c in expected.items() if k != "5"}
    assert sizes[0] == 9
    assert 1 in sizes


def test_what_shaped_the_numerics_is_known_after_it_was_closed(checkpoint: Path) -> None:
    with hf.open(str(checkpoint), BackendOptions(device="cpu", batch_size=3)) as opened:
        before = opened.settings()
    assert opened.settings() == before and before["device"] == "cpu" and before["batch_size"] == 3


def test_a_batch_that_begins_after_the_end_is_stopped(
    checkpoint: Path, messages: Chats, make_requests: MakeRequests
) -> None:
    with hf.open(str(checkpoint), BackendOptions(device="cpu")) as opened:
        asked = make_requests(opened, messages)
    assert list(opened.generate(asked)) == []


def test_close_stops_between_tokens(checkpoint: Path, messages: Chats, make_requests: MakeRequests) -> None:
    opened = hf.open(str(checkpoint), BackendOptions(device="cpu", batch_size=2))
    requests, steps = make_requests(opened, messages, max_tokens=200), 0
    forward = opened._network.forward

    def closing(*args: Any, **kwargs: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 5:
            opened.close()
        return forward(*args, **kwargs)

    opened._network.forward = closing
    assert list(opened.generate(requests)) == []
    assert steps == 5


def test_a_sampled_answer_depends_on_its_seed_alone(
    backend: hf.HFBackend, checkpoint: Path, messages: Chats, make_requests: MakeRequests
) -> None:
    requests = make_requests(backend, messages, temperature=0.9, top_p=0.95)
    single = hf.open(str(checkpoint), BackendOptions(device="cpu", batch_size=1))
    one = {c.key: c.token_ids for c in single.generate(requests)}
    assert one == {c.key: c.token_ids for c in backend.generate(requests)}
    others = {c.key: c.token_ids for c in backend.generate(make_requests(backend, messages, seed=99, temperature=0.9))}
    assert sum(one[key] != others[key] for key in one) >= len(one) - 1


def test_sampling_draws_from_the_softmax_of_the_nucleus() -> None:
    from listeval.backends.hf.hooks import GumbelSampler
    from listeval.backends.protocol import Sampling

    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, float("-inf")])
    rows = 20_000
    sampler = GumbelSampler(Sampling(temperature=2.0, top_p=0.85), range(rows), torch.device("cpu"))
    drawn = sampler(None, logits.expand(rows, -1)).argmax(-1).bincount(minlength=5) / rows
    expected = (logits / 2.0)[:3].softmax(-1)
    assert torch.allclose(drawn[:3], expected, atol=0.015)
    assert drawn[3:].sum() == 0


def test_score_is_the_log_softmax_of_each_next_token(backend: hf.HFBackend, messages: Chats) -> None:
    sequences = [list(backend.renderer.render(chat).token_ids) for chat in messages] + [[5], []]
    for ids, scores in zip(sequences, backend.score(sequences), strict=True):
        if len(ids) < 2:
            assert scores == []
            continue
        with torch.inference_mode():
            logits = backend._network(torch.tensor([ids])).logits[0, :-1].double()
        expected = logits.log_softmax(-1)[range(len(ids) - 1), ids[1:]]
        assert torch.allclose(torch.tensor(scores).double(), expected, atol=1e-4)


def test_score_refuses_what_is_too_long(backend: hf.HFBackend) -> None:
    with pytest.raises(UserError, match="the model takes 512"):
        backend.score([[5] * 513])


def test_a_checkpoint_with_absent_weights_is_refused(make_checkpoint: MakeCheckpoint) -> None:
    from safetensors.torch import load_file, save_file

    folder = make_checkpoint()
    weights = load_file(folder / "model.safetensors")
    weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"1 weights are missing or misshapen.*up_proj"):
        hf.open(str(folder), BackendOptions(device="cpu"))


def test_damaged_weights_are_one_line(make_checkpoint: MakeCheckpoint) -> None:
    folder = make_checkpoint()
    (folder / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(UserError, match="cannot be loaded") as error:
        hf.open(str(folder), BackendOptions(device="cpu"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float8"}, "unknown dtype"),
        ({"device": "abacus"}, "device 'abacus'"),
        ({"base_url": "http://x"}, "no use for --base-url"),
        ({"max_model_len": 513}, "takes 512 tokens"),
        ({"enable_thinking": False}, "enable_thinking"),
    ],
)
def test_options_that_cannot_work_are_refused(checkpoint: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        hf.open(str(checkpoint), BackendOptions(**options))


def test_model_info_and_settings_are_json(backend: hf.HFBackend, checkpoint: Path) -> None:
    info = backend.model
    assert (info.path, info.max_length) == (str(checkpoint.resolve()), 512)
    assert info.fingerprint.startswith("sha256:")
    assert json.loads(json.dumps(dict(backend.settings())))["dtype"] == "float32"
    assert {"torch", "transformers", "tokenizers"} <= set(backend.versions())


def test_reasoning_is_kept_apart(make_checkpoint: MakeCheckpoint, messages: Chats, make_requests: MakeRequests) -> None:
    folder = make_checkpoint(template="{% for m in messages %}{{ m['content'] }}{% endfor %}<think>\n")
    with hf.open(str(folder), BackendOptions(device="cpu")) as opened:
        for completion in opened.generate(make_requests(opened, messages[:2])):
            assert completion.text == ""
            assert completion.reasoning
