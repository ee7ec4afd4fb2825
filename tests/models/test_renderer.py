"""One renderer: the template's text, its ids, and nothing cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from listeval.backends.protocol import Message
from listeval.errors import UserError
from listeval.models.channels import split_channels
from listeval.models.renderer import Renderer, load_tokenizer
from tests.backends.conftest import CHATML

CHAT = (Message("user", "Rate id=101."),)
THINKING = (
    "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    "{% if enable_thinking is defined and not enable_thinking %}<no-think>{% endif %}"
)


def test_text_is_the_template_and_ids_are_its_encoding(checkpoint: Path) -> None:
    renderer = Renderer(load_tokenizer(checkpoint))
    prompt = renderer.render(CHAT)
    assert prompt.text == "<|im_start|>user\nRate id=101.<|im_end|>\n<|im_start|>assistant\n"
    assert prompt.messages == CHAT
    assert list(prompt.token_ids) == renderer.tokenizer.encode(prompt.text, add_special_tokens=False)
    assert renderer.tokenizer.decode(prompt.token_ids) == prompt.text


@pytest.mark.parametrize(("enable_thinking", "marked"), [(None, False), (True, False), (False, True)])
def test_enable_thinking_has_three_states(
    make_checkpoint: Callable[..., Path], enable_thinking: bool | None, marked: bool
) -> None:
    renderer = Renderer(load_tokenizer(make_checkpoint(template=THINKING)), enable_thinking)
    assert renderer.render(CHAT).text.endswith("<no-think>") is marked


@pytest.mark.parametrize("enable_thinking", [True, False])
def test_enable_thinking_that_would_change_nothing_is_refused(checkpoint: Path, enable_thinking: bool) -> None:
    with pytest.raises(UserError, match="enable_thinking"):
        Renderer(load_tokenizer(checkpoint), enable_thinking)


def test_arguments_reach_the_template_and_are_refused_where_it_has_no_use_for_them(
    make_checkpoint: Callable[..., Path],
) -> None:
    template = "{{ effort | default('none') }}{% if tools_on %}!{% endif %}{{ messages[0]['content'] }}"
    tokenizer = load_tokenizer(make_checkpoint(template=template))
    assert Renderer(tokenizer, None, {"effort": "high", "tools_on": True}).text(CHAT) == "high!Rate id=101."
    assert Renderer(tokenizer).text(CHAT) == "noneRate id=101."
    for name in ("effor", "tools"):
        with pytest.raises(UserError, match=f"does not mention {name}"):
            Renderer(tokenizer, None, {name: 1})


CLOCK = "{{ strftime_now('%d %b %Y %H:%M:%S%z') }}|{{ messages[0]['content'] }}"


def test_the_clock_of_a_template_stands_still_and_can_be_set(make_checkpoint: Callable[..., Path]) -> None:
    renderer = Renderer(load_tokenizer(make_checkpoint(template=CLOCK)))
    assert renderer.clock is not None
    assert renderer.text(CHAT) == renderer.clock.strftime("%d %b %Y %H:%M:%S|Rate id=101.")
    renderer.set_clock(datetime.fromisoformat("2024-02-29T23:59:58+05:00"))
    assert renderer.render(CHAT).text == "29 Feb 2024 23:59:58|Rate id=101."


def test_a_template_without_a_clock_has_none(checkpoint: Path) -> None:
    renderer = Renderer(load_tokenizer(checkpoint))
    renderer.set_clock(datetime.now())
    assert renderer.clock is None


@pytest.mark.parametrize(("opening", "closing"), [("<|START_THINKING|>", "<|END_THINKING|>"), ("[THINK]", "[/THINK]")])
def test_special_tokens_around_reasoning_survive_decoding(checkpoint: Path, opening: str, closing: str) -> None:
    tokenizer = load_tokenizer(checkpoint)
    tokenizer.add_special_tokens({"additional_special_tokens": [opening, closing]})
    renderer = Renderer(tokenizer)
    ids = [token for text in (opening, "The", closing, "[1]") for token in renderer.encode(text)]
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert renderer.decode([*ids, end]) == f"{opening}The{closing}[1]"
    assert split_channels(renderer.decode([*ids, end])) == ("The", "[1]")
    assert split_channels(renderer.decode([*ids[:2], *ids[3:]]))[1] == "", "the closing token never came"
    assert renderer.decode([*renderer.encode("The"), end]) == "The"


OWN = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m.get('reasoning_content') %}(((\n{{ m['reasoning_content'] }}\n)))\n{% endif %}"
    "{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\nOPEN{% endif %}"
)


@pytest.mark.parametrize("opened", ["", "(((\n"])
def test_marks_of_no_known_family_are_learned_from_the_template(
    make_checkpoint: Callable[..., Path], opened: str
) -> None:
    renderer = Renderer(load_tokenizer(make_checkpoint(template=OWN.replace("OPEN", opened))))
    assert renderer.own_marks == ("(((", ")))")
    prompt = renderer.render(CHAT).text
    text = f'{"" if opened else "((("} perhaps [0]))) {{"a": ")))"}}'
    assert split_channels(text, prompt, renderer.own_marks) == ("perhaps [0]", '{"a": ")))"}')
    assert split_channels(text.replace(")))", ""), prompt, renderer.own_marks)[1] == ""


@pytest.mark.parametrize("template", [CHATML, OWN.replace("(((", "<think>").replace(")))", "</think>"), THINKING])
def test_a_template_of_a_known_family_or_none_has_no_marks_of_its_own(
    make_checkpoint: Callable[..., Path], template: str
) -> None:
    assert Renderer(load_tokenizer(make_checkpoint(template=template.replace("OPEN", "")))).own_marks is None


def test_a_model_without_chat_template_names_itself_and_the_fix(make_checkpoint: Callable[..., Path]) -> None:
    folder = make_checkpoint(template=None)
    with pytest.raises(UserError, match="--tokenizer") as error:
        Renderer(load_tokenizer(folder))
    assert error.value.place == str(folder)


def test_a_template_that_refuses_a_role_is_a_user_error(make_checkpoint: Callable[..., Path]) -> None:
    folder = make_checkpoint(template="{{ raise_exception('System role not supported') }}")
    with pytest.raises(UserError, match="System role not supported"):
        Renderer(load_tokenizer(folder)).render(CHAT)


def test_truncation_saved_in_a_tokenizer_does_not_cut_prompts(make_checkpoint: Callable[..., Path]) -> None:
    folder = make_checkpoint()
    file = folder / "tokenizer.json"
    saved = json.loads(file.read_text())
    saved["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    file.write_text(json.dumps(saved))
    renderer = Renderer(load_tokenizer(folder))
    assert renderer.tokenizer.decode(renderer.render(CHAT).token_ids) == renderer.render(CHAT).text


def test_decoding_leaves_spaces_before_punctuation(checkpoint: Path) -> None:
    tokenizer = load_tokenizer(checkpoint)
    tokenizer.clean_up_tokenization_spaces = True
    renderer = Renderer(tokenizer)
    text = '[{"a": "so , so ."} , 1]'
    assert renderer.decode(renderer.encode(text)) == text


def test_hashes_tell_templates_and_tokenizers_apart(make_checkpoint: Callable[..., Path], checkpoint: Path) -> None:
    one, two = Renderer(load_tokenizer(checkpoint)), Renderer(load_tokenizer(make_checkpoint(template=THINKING)))
    again = Renderer(load_tokenizer(checkpoint))
    assert one.template_hash == again.template_hash != two.template_hash
    assert one.tokenizer_hash == again.tokenizer_hash == two.tokenizer_hash
    one.tokenizer.add_tokens(["<new>"])
    assert Renderer(one.tokenizer).tokenizer_hash != again.tokenizer_hash


def test_a_folder_without_tokenizer_is_a_user_error(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(UserError, match="no tokenizer"):
        load_tokenizer(tmp_path)
