"""The openai backend against a real server on loopback: what is sent, what is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from listeval.backends.protocol import Message
from listeval.contract import Item, Record
from listeval.errors import UserError
from tests.backends.fake_server import VLLM_CARD, Call, FakeServer, Reply, chat, echo
from tests.backends.openai_case import KEY, answers, ask, opened

pytest.importorskip("httpx")


def test_chat_sends_the_messages_and_greedy_parameters() -> None:
    with FakeServer().running() as server, opened(server) as backend:
        (done,) = backend.generate([ask("a", "hello", max_tokens=9)])
        (call,) = server.calls
    assert call.path == "/v1/chat/completions"
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert call.body == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
        "max_tokens": 9,
        "temperature": 0.0,
        "top_p": 1.0,
        "seed": 5,
        "stream": False,
    }
    assert (done.text, done.finish_reason, done.n_tokens, done.n_prompt_tokens) == ("re: hello", "stop", 7, 11)
    assert done.error is None
    assert done.latency_s > 0


def test_thinking_is_sent_only_where_it_is_set() -> None:
    with FakeServer().running() as server, opened(server, enable_thinking=False) as backend:
        list(backend.generate([ask("a")]))
        assert server.calls[0].body["chat_template_kwargs"] == {"enable_thinking": False}


def test_without_a_key_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with FakeServer().running() as server, opened(server) as backend:
        list(backend.generate([ask("a")]))
        assert "authorization" not in server.calls[0].headers


def test_a_vllm_server_is_told_every_sampling_parameter() -> None:
    """Else it takes the absent ones from the checkpoint's generation_config."""
    choice = {"message": {"content": "x"}, "finish_reason": "stop", "token_ids": [4, 5]}
    with FakeServer(lambda call: Reply({"choices": [choice]})).running() as server:
        server.models = [VLLM_CARD]
        server.gets["/version"] = Reply({"version": "0.31.0"})
        with opened(server) as backend:
            (done,) = backend.generate([ask("a")])
            body = server.calls[0].body
            assert (body["repetition_penalty"], body["top_k"], body["min_p"]) == (1.0, 0, 0.0)
            assert done.token_ids == (4, 5)
            assert done.n_tokens == 2
            assert backend.versions()["server"] == "vllm 0.31.0"
            assert backend.model.max_length == 2048


@pytest.mark.parametrize(
    ("message", "finish", "text", "reason", "reasoning"),
    [
        ({"content": "[]"}, "stop", "[]", "stop", None),
        ({"content": "[]"}, "length", "[]", "length", None),
        ({"content": "[]"}, "tool_calls", "[]", "stop", None),
        ({"content": "[]"}, "eos", "[]", "stop", None),
        ({"content": "[]"}, "content_filter", "[]", "content_filter", None),
        ({"content": None, "refusal": "I won't"}, "stop", "I won't", "content_filter", None),
        ({"content": "[]", "refusal": None}, "stop", "[]", "stop", None),
        ({"content": "[]", "reasoning_content": "hm"}, "stop", "[]", "stop", "hm"),
        ({"content": None, "reasoning": "hm"}, "length", "", "length", "hm"),
        ({"content": "<think>hm</think>\n[]"}, "stop", "[]", "stop", "hm"),
        ({"content": [{"type": "text", "text": "["}, {"type": "text", "text": "]"}]}, "stop", "[]", "stop", None),
    ],
)
def test_answers_are_read_as_servers_write_them(
    message: dict[str, Any], finish: str, text: str, reason: str, reasoning: str | None
) -> None:
    choice = {"message": message, "finish_reason": finish}
    done = answers(lambda call: Reply({"choices": [choice]}), "a")["a"]
    assert (done.text, done.finish_reason, done.reasoning) == (text, reason, reasoning)
    assert done.error is None


def test_token_budget_goes_by_its_newer_name_where_the_server_wants_it() -> None:
    def rule(call: Call) -> Reply:
        if "max_tokens" in call.body:
            words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            return Reply({"error": {"message": words}}, 400)
        assert call.body["max_completion_tokens"] == 512
        return echo(call)

    with FakeServer(rule).running() as server, opened(server, concurrency=1) as backend:
        found = list(backend.generate(ask(f"k{i}") for i in range(4)))
        assert [c.error for c in found] == [None] * 4
        assert len(server.calls) == 5


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level tokenizer with a chat template."""
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    model = tokenizers.models.BPE(vocab={c: i for i, c in enumerate(sorted(alphabet))}, merges=[])
    bare = tokenizers.Tokenizer(model)
    bare.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bare.decoder = tokenizers.decoders.ByteLevel()
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=bare)
    wrapped.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
    path = tmp_path_factory.mktemp("tokenizer")
    wrapped.save_pretrained(path)
    return path


def test_with_a_tokenizer_our_token_ids_are_the_prompt(tokenizer: Path) -> None:
    with FakeServer().running() as server, opened(server, tokenizer=str(tokenizer)) as backend:
        assert backend.renderer is not None
        prompt = backend.renderer.render([Message("user", "hé")])
        (done,) = backend.generate([ask("a")._replace(prompt=prompt)])
        assert server.calls[0].path == "/v1/completions"
        assert server.calls[0].body["prompt"] == list(prompt.token_ids)
        assert "messages" not in server.calls[0].body
        assert done.text == "re: " + " ".join(map(str, prompt.token_ids))
        assert backend.capabilities.token_prompts
        assert backend.model.template_hash == backend.renderer.template_hash


def test_another_models_tokenizer_is_refused(tokenizer: Path) -> None:
    with FakeServer().running() as server:
        server.models = [VLLM_CARD]
        server.gets["/tokenize"] = Reply({"tokens": [1, 2, 3], "count": 3})
        with pytest.raises(UserError, match="not the served model's"), opened(server, tokenizer=str(tokenizer)):
            pass


def test_channels_are_told_apart_by_the_ids_of_marks_that_the_server_leaves_out(
    tokenizer: Path, tmp_path: Path
) -> None:
    """A vLLM server decodes without special tokens; where it gives the ids, they show where the thinking ended."""
    from transformers import AutoTokenizer

    marked = AutoTokenizer.from_pretrained(tokenizer)
    marked.add_special_tokens({"additional_special_tokens": ["<|START_THINKING|>", "<|END_THINKING|>"]})
    marked.save_pretrained(tmp_path)
    whole = marked.encode("<|START_THINKING|>[0]<|END_THINKING|>[1]", add_special_tokens=False)
    for ids, channels in ((whole, ("[0]", "[1]")), (whole[:4], ("[0]", ""))):
        choice = {"text": marked.decode(ids, skip_special_tokens=True), "finish_reason": "stop", "token_ids": ids}
        with FakeServer(lambda call, choice=choice: Reply({"choices": [choice]})).running() as server:
            server.models = [VLLM_CARD]
            with opened(server, tokenizer=str(tmp_path)) as backend:
                (done,) = backend.generate([ask("a")])
        assert (done.reasoning, done.text) == channels


def test_template_arguments_are_sent_to_a_server_that_renders() -> None:
    told = {"reasoning_effort": "low", "tools_in_user": False}
    with FakeServer().running() as server, opened(server, chat_template_arg=told, enable_thinking=True) as backend:
        list(backend.generate([ask("a")]))
        assert server.calls[0].body["chat_template_kwargs"] == {**told, "enable_thinking": True}
        assert backend.settings()["chat_template_arg"] == told


def test_template_arguments_reach_our_own_renderer(tokenizer: Path) -> None:
    given = {"tokenizer": str(tokenizer), "chat_template_arg": {"effort": 1}}
    refused = pytest.raises(UserError, match="does not mention effort")
    with FakeServer().running() as server, refused, opened(server, **given):
        pass


def test_finish_reasons_are_counted_in_the_servers_words() -> None:
    replies = {"a": Reply(chat("x", "STOP")), "b": Reply(chat("x", "STOP")), "c": Reply(chat("x", "MAX_TOKENS"))}
    scripted = FakeServer(lambda call: replies[call.body["messages"][-1]["content"]])
    with scripted.running() as server, opened(server) as backend:
        found = {done.key: done.finish_reason for done in backend.generate(ask(key) for key in replies)}
        assert backend.settings()["finish_reasons"] == {"STOP": 2, "MAX_TOKENS": 1}
    assert found == {"a": "stop", "b": "stop", "c": "length"}


def test_a_contract_that_cannot_be_constrained_fails_alone() -> None:
    odd = Record(Item)

    class Picky:
        """A constraint that one contract cannot be held to."""

        def fields(self, contract: Any) -> dict[str, Any]:
            if contract is odd:
                raise UserError("a number form holds no number", fix="change the bounds")
            return {}

        def answer(self, text: str) -> str:
            return text

        def settle(self) -> None:
            """Nothing is learnt."""

    with FakeServer(echo).running() as server, opened(server) as backend:
        backend._constraint = Picky()  # type: ignore[assignment]
        asked = [ask("a"), ask("b")._replace(contract=odd), ask("c")]
        found = {completion.key: completion.error for completion in backend.generate(asked)}
    assert found["a"] is None and found["c"] is None
    assert "holds no number" in (found["b"] or "")
