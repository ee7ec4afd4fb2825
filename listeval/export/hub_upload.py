"""Folders for the Hugging Face hub: named, checked and uploaded whole in one commit, by huggingface_hub.

Whoever calls has the user's word on this command line. The token is the one that huggingface_hub itself finds
(`hf auth login`, $HF_TOKEN); it is neither read from a file of a run nor kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from listeval.errors import UserError, first_line

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

_INSTALL = "pip install 'listeval[hub]'"
_WHY = {
    401: ("the hub does not accept the token", "log in anew: hf auth login"),
    403: ("the token may not write there", "use a token that has write access to it"),
    404: ("the hub has no such owner or repository, or the token may not see it", "check the name and the token"),
    409: ("somebody else changes the repository at the same time", "try again"),
    413: ("the hub takes no files of this size", "see the limits of the account"),
    429: ("the hub asks to wait", "try again later"),
}


class Repository(NamedTuple):
    """Where a folder goes."""

    name: str
    """OWNER/NAME."""
    kind: Literal["model", "dataset"]
    private: bool = False
    """Whether nobody else may see it; otherwise as the owner's settings say."""


def check_name(name: str, place: str, what: str = "repository of the hub") -> None:
    """Raises UserError for what the hub cannot have as OWNER/NAME; `place` is where the user wrote it."""
    hub()
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        raise UserError(f"'{name}' is no {what}", place=place, fix="write OWNER/NAME") from None
    if "/" not in name:
        raise UserError(f"'{name}' is no {what}: it has no owner", place=place, fix=f"write OWNER/{name}")


def push(folder: Path, to: Repository, message: str) -> str:
    """Make the repository where it is not there yet, upload all of `folder` in one commit, and give its address.

    Raises UserError where nobody is logged in, the hub refuses or cannot be reached, and where the user asked for a
    private repository and there is a public one of that name; then nothing was uploaded.
    """
    found = hub()
    if not found.get_token():
        fix = "log in: hf auth login (or set HF_TOKEN), with a token that may write"
        raise UserError("there is no token for the hub", place=to.name, fix=fix)
    api = found.HfApi(library_name="listeval")
    with _in_words(to.name):
        api.create_repo(to.name, repo_type=to.kind, private=to.private or None, exist_ok=True)
        if to.private and not api.repo_info(to.name, repo_type=to.kind).private:
            fix = "make it private on its page, name another one, or leave out --private"
            raise UserError("this repository is there already, and it is public", place=to.name, fix=fix)
        done = api.upload_folder(repo_id=to.name, repo_type=to.kind, folder_path=str(folder), commit_message=message)
    return str(done.commit_url)


def fresh_folder(path: Path) -> Path:
    """A folder for what would be uploaded. Raises UserError where there is something already, or none can be made."""
    try:
        path.mkdir(parents=True)
    except OSError as error:
        cause = f"cannot make the folder: {error.strerror}"
        raise UserError(cause, place=str(path), fix="name one that is not there yet") from None
    return path


def place_file(source: Path, target: Path, *, copied: bool) -> None:
    """Put a file into a folder that is to be uploaded; a link is enough where it need not last (not `copied`).

    Raises UserError where the disk refuses.
    """
    try:
        if copied:
            shutil.copyfile(source, target)
        else:
            target.symlink_to(source.resolve())
    except OSError as error:
        raise UserError(f"cannot write: {error.strerror}", place=str(target), fix="free some space") from None


def hub() -> Any:
    """The client. Raises UserError where it is not installed."""
    try:
        import huggingface_hub
    except ImportError:
        raise UserError.missing_package("huggingface_hub", _INSTALL, "the hub") from None
    return huggingface_hub


@contextmanager
def _in_words(name: str) -> Iterator[None]:
    """What the hub or the way to it refuses, as one line."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled:
        raise UserError(
            "HF_HUB_OFFLINE is set", place=name, fix="unset it, or look at it first: --dry-run DIR"
        ) from None
    except HfHubHTTPError as error:
        raise _refused(error, name) from None
    except ValueError as error:  # the hub's own check of the card's metadata
        cause = f"the hub does not take this: {first_words(str(error))}"
        raise UserError(cause, place=name, fix="see --license, and look at it: --dry-run DIR") from None
    except (httpx.HTTPError, OSError, RuntimeError) as error:
        # A file's upload fails as a RuntimeError that says only which one it was.
        if isinstance(error.__cause__, HfHubHTTPError):
            raise _refused(error.__cause__, name) from None
        fix = "check the network and HF_ENDPOINT, and try again"
        raise UserError(f"the hub cannot be reached: {first_line(error)}", place=name, fix=fix) from None


def _refused(error: HfHubHTTPError, name: str) -> UserError:
    status = error.response.status_code if error.response is not None else 0
    cause, fix = _WHY.get(status, ("the hub refused", "see what it says, and try again"))
    return UserError(f"{cause}: {first_words(error.server_message or first_line(error))}", place=name, fix=fix)


def first_words(text: str) -> str:
    """The lines of `text` as one, no longer than a terminal shows."""
    return " ".join(text.split())[:300]
