"""Models on the Hugging Face Hub, by the package ``huggingface_hub``, which is optional."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaf_port import shipped
from leaf_port._installation import hint
from leaf_port._model_folder import CARD, CONFIG, OPTIMIZER, PREPROCESSOR, VERIFICATION, WEIGHTS
from leaf_port.errors import LeafError

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_INSTALL = hint("hub")
_FIXES = {  # by the library's classes, whose modules move between its versions
    "GatedRepoError": "ask for access on its page, and give a token: hf auth login",
    "RepositoryNotFoundError": "check the name, or the path; a private one needs hf auth login",
    "RevisionNotFoundError": "check the revision: a branch, a tag or a commit",
    "LocalEntryNotFoundError": "connect to the network, or download it there first",
    "OfflineModeIsEnabled": "connect to the network, and unset HF_HUB_OFFLINE",
    "HFValidationError": "give owner/name: letters, digits, '-', '_' and '.'",
}


@dataclass(frozen=True)
class Hub:
    """How the Hub is asked.

    Attributes:
        revision: branch, tag or commit.
        cache_dir: where downloads are kept.
        token: of the account; the stored one where it is None.
        local_files_only: whether only what was downloaded before may be taken.
    """

    revision: str | None = None
    cache_dir: str | os.PathLike[str] | None = None
    token: str | bool | None = None
    local_files_only: bool = False

    def located(self, given: str | os.PathLike[str], *others: str) -> Path:
        """The folder that is meant: a local one, one of the package, or the download of a model.

        Args:
            given: a path, a name of :mod:`leaf_port.shipped` or ``"owner/name"``.
            *others: files to download beside the model's two, where they are there.

        Raises:
            LeafError: a revision of a local folder; a model that cannot be downloaded.
        """
        if not is_id(given):
            if self.revision is not None:
                got, fix = f"{str(given)!r:.200}, a folder", "leave it out"
                raise _refusal("from_pretrained", "revision", "a Hub id, owner/name", got, fix)
            return shipped.located(given) or Path(given)
        return self._downloaded(str(given), *others)

    def _downloaded(self, name: str, *others: str) -> Path:
        """All files of one commit lie in one folder."""
        download = _library("from_pretrained", name).snapshot_download
        expected = "a folder, or a model on the Hugging Face Hub that can be downloaded"
        return Path(
            _asked(
                "from_pretrained",
                name,
                expected,
                lambda: download(
                    name,
                    revision=self.revision,
                    cache_dir=self.cache_dir,
                    token=self.token,
                    local_files_only=self.local_files_only,
                    allow_patterns=[CONFIG, WEIGHTS, *others],
                    library_name="leaf-port",
                ),
            )
        )


def is_id(given: str | os.PathLike[str]) -> bool:
    """Whether a name is ``owner/name``, and no path that exists or names a file of weights."""
    if not isinstance(given, str) or not _ID.fullmatch(given):
        return False
    return not given.endswith(Path(WEIGHTS).suffix) and not os.path.lexists(given)


def check_id(owner: str, name: str) -> None:
    """Refuses what is no ``owner/name``.

    Raises:
        LeafError: another form.
    """
    if not isinstance(name, str) or not _ID.fullmatch(name):
        fix = _FIXES["HFValidationError"]
        raise _refusal(owner, "repo_id", "a Hub id, owner/name", f"{name!r:.200}", fix)


def push(
    folder: Path,
    name: str,
    *,
    revision: str | None,
    private: bool | None,
    token: str | bool | None,
    message: str,
    create_pr: bool,
    overwrite: bool,
) -> str:
    """Uploads a model's folder in one commit.

    Returns:
        The commit's address.

    Raises:
        LeafError: a model of this name, unless ``overwrite`` or ``create_pr`` is given; a Hub that
            cannot be reached, or refuses.
    """
    owner = "push_to_hub"
    api = _library(owner, name).HfApi(library_name="leaf-port", token=token)
    expected = "a model on the Hugging Face Hub that you may write to"

    def upload() -> str:
        api.create_repo(name, exist_ok=True, private=private)
        if not create_pr:
            if revision is not None:
                api.create_branch(name, branch=revision, exist_ok=True)
            held = set(api.list_repo_files(name, revision=revision))
            _refuse_taken(name, sorted(held & {CONFIG, WEIGHTS, CARD}), overwrite)
        done = api.upload_folder(
            repo_id=name,
            folder_path=folder,
            revision=revision,
            commit_message=message,
            create_pr=create_pr,
            # They would be of other weights.
            delete_patterns=[OPTIMIZER, VERIFICATION, PREPROCESSOR],
        )
        return str(done.commit_url)

    return str(_asked(owner, name, expected, upload))


def _refuse_taken(name: str, taken: list[str], overwrite: bool) -> None:
    if taken and not overwrite:
        fix = "give overwrite=True (its history keeps the earlier ones), or create_pr=True"
        expected, got = "a repository without these files", ", ".join(taken)
        raise _refusal("push_to_hub", name, expected, got, fix)


def _library(owner: str, name: str) -> Any:
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        expected = "a folder that exists" if owner == "from_pretrained" else "huggingface_hub"
        fix = f"for a model on the Hugging Face Hub: {_INSTALL}"
        got = f"none, and no {error.name}" if owner == "from_pretrained" else f"no {error.name}"
        raise _refusal(owner, name, expected, got, fix) from error
    return huggingface_hub


def _asked(owner: str, name: str, expected: str, ask: Callable[[], Any]) -> Any:
    """What the library answers; whatever it raises is an error of ours."""
    try:
        return ask()
    except LeafError:
        raise
    except Exception as error:  # of the network, of the Hub, of the disk, of several libraries
        classes = [each.__name__ for each in type(error).__mro__]
        fixes = (_FIXES[each] for each in classes if each in _FIXES)
        fix = next(fixes, "check the network and the disk, then try again")
        told = " ".join(str(error).split())[:200]
        raise _refusal(owner, name, expected, f"{classes[0]}: {told}", fix) from error


def _refusal(owner: str, argument: str, expected: str, got: object, fix: str) -> LeafError:
    return LeafError(owner, argument, expected, got, fix)
