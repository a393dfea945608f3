"""Models on the Hugging Face Hub, without a network: what is asked of its library, and answered."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("safetensors", reason="weights are kept by safetensors")

import torch

import leaf_port as lp
from leaf_port._installation import hint
from leaf_port.extractor import LeafFeatureExtractor

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROOT = Path(__file__).resolve().parents[2]


class RepositoryNotFoundError(OSError):
    """As the library names it."""


class FakeHub:
    """Stands for the library: one model, and what was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.repositories: dict[str, set[str]] = {}
        self.error: Exception | None = None

    def snapshot_download(self, name: str, **options: Any) -> str:
        self.asked.append((name, options))
        if self.error is not None:
            raise self.error
        return str(self.folder)

    def HfApi(self, **options: Any) -> FakeHub:  # noqa: N802 - the library's name
        self.asked.append(("HfApi", options))
        return self

    def create_repo(self, name: str, *, exist_ok: bool, private: bool | None) -> None:
        assert exist_ok
        self.asked.append((name, {"private": private}))
        self.repositories.setdefault(name, {".gitattributes"})

    def create_branch(self, name: str, *, branch: str, exist_ok: bool) -> None:
        assert exist_ok
        self.asked.append((name, {"branch": branch}))

    def list_repo_files(self, name: str, *, revision: str | None) -> list[str]:
        if self.error is not None:
            raise self.error
        return sorted(self.repositories[name])

    def upload_folder(self, *, repo_id: str, folder_path: Path, **options: Any) -> Any:
        self.asked.append((repo_id, options))
        self.repositories[repo_id] |= {path.name for path in folder_path.iterdir()}
        shutil.copytree(folder_path, self.folder, dirs_exist_ok=True)
        return SimpleNamespace(commit_url=f"https://huggingface.co/{repo_id}/commit/{COMMIT}")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    fake = FakeHub(tmp_path / "hub")
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    monkeypatch.chdir(tmp_path)
    return fake


@pytest.fixture
def model() -> lp.Leaf:
    made = lp.Leaf(n_filters=4)
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(1.01)
    return made


def told(call: Any) -> str:
    with pytest.raises(lp.LeafError) as caught:
        call()
    return str(caught.value)


# From the Hub


def test_a_model_of_the_hub(hub: FakeHub, model: lp.Leaf) -> None:
    model.save_pretrained(hub.folder)
    given: dict[str, Any] = {
        "revision": COMMIT,
        "cache_dir": "kept",
        "token": "hf_secret",
        "local_files_only": True,
    }
    loaded = lp.Leaf.from_pretrained("some-one/leaf_4.speech", **given)
    state = model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict().items())
    ((name, options),) = hub.asked
    assert name == "some-one/leaf_4.speech"
    patterns = ["config.json", "model.safetensors"]
    assert options == {**given, "allow_patterns": patterns, "library_name": "leaf-port"}


def test_what_is_asked_for_unless_told_otherwise(hub: FakeHub, model: lp.Leaf) -> None:
    model.save_pretrained(hub.folder)
    usual = {"revision": None, "cache_dir": None, "token": None, "local_files_only": False}
    for kind in (lp.Leaf, LeafFeatureExtractor):
        kind.from_pretrained("some-one/leaf")
        ((_, options),) = hub.asked
        assert {name: options[name] for name in usual} == usual
        hub.asked.clear()


def test_a_folder_comes_first(hub: FakeHub, model: lp.Leaf) -> None:
    Path("runs").mkdir()
    model.save_pretrained("runs/leaf")
    for given in ("runs/leaf", "./runs/leaf", Path("runs/leaf")):
        assert lp.Leaf.from_pretrained(given).n_filters == 4
    assert hub.asked == []


def test_a_path_that_is_none_is_not_asked_for(hub: FakeHub) -> None:
    paths = ("./runs/leaf", "runs", "a/b/c", "/a/b", "a\\b", "a/b c", "ä/b", "a/../b", "a/.b", "")
    for given in (*paths, Path("runs/leaf")):
        assert "from_pretrained" in told(lambda given=given: lp.Leaf.from_pretrained(given))  # type: ignore[misc]
    assert hub.asked == []


def test_a_revision_of_a_folder_is_refused(hub: FakeHub, model: lp.Leaf) -> None:
    model.save_pretrained("leaf")
    message = told(lambda: lp.Leaf.from_pretrained("leaf", revision="main"))
    assert "revision: expected a Hub id" in message


def test_a_download_is_checked_as_any_folder(hub: FakeHub, model: lp.Leaf) -> None:
    model.save_pretrained(hub.folder)
    assert "Leaf.from_pretrained" in told(lambda: lp.SincNet.from_pretrained("a/b"))
    weights = hub.folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert "SHA-256" in told(lambda: lp.Leaf.from_pretrained("a/b"))
    weights.unlink()
    assert "model.safetensors" in told(lambda: lp.Leaf.from_pretrained("a/b"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RepositoryNotFoundError("404 Client Error.\nNot found."), "check the name, or the path"),
        (ConnectionError("no route"), "check the network"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
    ],
)
def test_what_the_library_raises_is_one_line(error: Exception, words: str, hub: FakeHub) -> None:
    hub.error = error
    message = told(lambda: lp.Leaf.from_pretrained("a/b", token="hf_secret"))
    assert message.startswith("from_pretrained: a/b: expected a folder, or a model on the Hugging")
    assert words in message
    assert "\n" not in message
    assert "hf_secret" not in message


def test_without_the_library(monkeypatch: pytest.MonkeyPatch, model: lp.Leaf) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (lambda: lp.Leaf.from_pretrained("a/b"), lambda: model.push_to_hub("a/b")):
        assert hint("hub") in told(call)
    pushed = told(lambda: model.push_to_hub("a/b"))
    assert "expected huggingface_hub, got no huggingface_hub;" in pushed


def test_nothing_imports_the_library_before_it_is_needed(tmp_path: Path) -> None:
    code = (
        "import sys, leaf_port as lp; lp.Leaf(n_filters=4).save_pretrained(sys.argv[1]); "
        "lp.Leaf.from_pretrained(sys.argv[1]); print('huggingface_hub' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "False"


# To the Hub


def test_a_model_is_pushed(hub: FakeHub, model: lp.Leaf) -> None:
    url = model.push_to_hub("me/leaf", private=True, token="hf_secret", revision="v1")
    assert url == f"https://huggingface.co/me/leaf/commit/{COMMIT}"
    asked = dict(hub.asked)
    assert asked["HfApi"] == {"library_name": "leaf-port", "token": "hf_secret"}
    assert hub.asked[1:3] == [("me/leaf", {"private": True}), ("me/leaf", {"branch": "v1"})]
    assert hub.asked[3][1]["revision"] == "v1"
    assert hub.asked[3][1]["commit_message"] == "Upload Leaf"
    files = {".gitattributes", "README.md", "config.json", "model.safetensors"}
    assert hub.repositories == {"me/leaf": files}
    assert 'Leaf.from_pretrained("me/leaf")' in (hub.folder / "README.md").read_text()
    loaded = lp.Leaf.from_pretrained("me/leaf")
    state = model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict().items())


def test_a_model_that_is_there_is_not_replaced_unasked(hub: FakeHub, model: lp.Leaf) -> None:
    model.push_to_hub("me/leaf")
    count = len(hub.asked)
    message = told(lambda: model.push_to_hub("me/leaf"))
    assert "overwrite=True" in message
    assert "README.md, config.json, model.safetensors" in message
    assert "delete_patterns" not in str(hub.asked[count:])
    model.push_to_hub("me/leaf", create_pr=True)
    assert hub.asked[-1][1]["create_pr"] is True
    model.push_to_hub("me/leaf", overwrite=True, commit_message="Train longer")
    assert hub.asked[-1][1]["commit_message"] == "Train longer"


def test_nothing_is_asked_of_the_hub_for_what_cannot_be_saved(hub: FakeHub, model: lp.Leaf) -> None:
    message = told(lambda: model.double().push_to_hub("me/leaf"))
    assert "float64" in message
    for name in ("leaf", "a/b/c", "a/b c", "-a/b", "../b", "", 3):
        message = told(lambda name=name: lp.Leaf(n_filters=4).push_to_hub(name))  # type: ignore[misc]
        assert "push_to_hub: repo_id: expected a Hub id" in message
    assert hub.asked == []


def test_a_hub_that_refuses(hub: FakeHub, model: lp.Leaf) -> None:
    hub.error = RepositoryNotFoundError("403 Forbidden")
    assert "403 Forbidden" in told(lambda: model.push_to_hub("me/leaf"))


# The library itself, without a network


def cached(cache: Path, model: lp.Leaf) -> None:
    """A download as the library keeps it."""
    repository = cache / "models--me--leaf"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    (repository / "snapshots").mkdir()
    model.save_pretrained(repository / "snapshots" / COMMIT)


def test_the_cache_is_enough(tmp_path: Path, model: lp.Leaf) -> None:
    pytest.importorskip("huggingface_hub", reason='needs the extra "hub"')
    cached(tmp_path, model)
    for revision in (None, "main", COMMIT):
        loaded = lp.Leaf.from_pretrained(
            "me/leaf", revision=revision, cache_dir=tmp_path, local_files_only=True
        )
        state = model.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict().items())


@pytest.mark.parametrize(
    ("name", "revision", "words"),
    [("me/other", None, "connect to the network"), ("me/leaf", "v2", "connect to the network")],
)
def test_what_is_not_in_the_cache(
    name: str, revision: str | None, words: str, tmp_path: Path, model: lp.Leaf
) -> None:
    pytest.importorskip("huggingface_hub", reason='needs the extra "hub"')
    cached(tmp_path, model)
    load = lp.Leaf.from_pretrained
    message = told(lambda: load(name, revision, cache_dir=tmp_path, local_files_only=True))
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["a/b.git", "a/b--c", "a/b..c", "a/b."])
def test_names_that_the_library_refuses(name: str, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason='needs the extra "hub"')
    load = lp.Leaf.from_pretrained
    message = told(lambda: load(name, cache_dir=tmp_path, local_files_only=True))
    assert "give owner/name" in message


def test_offline(tmp_path: Path, model: lp.Leaf) -> None:
    pytest.importorskip("huggingface_hub", reason='needs the extra "hub"')
    cached(tmp_path, model)
    code = (
        "import sys, leaf_port as lp\n"
        "print(lp.Leaf.from_pretrained('me/leaf', cache_dir=sys.argv[1]).n_filters)\n"
        "try: lp.Leaf.from_pretrained('me/other', cache_dir=sys.argv[1])\n"
        "except lp.LeafError as error: print(error)\n"
        "try: lp.Leaf(n_filters=4).push_to_hub('me/other', token=False)\n"
        "except lp.LeafError as error: print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    found, missing, pushed = done.stdout.splitlines()
    assert found == "4"
    assert "connect to the network" in missing
    assert "HF_HUB_OFFLINE" in pushed


# The command


def test_the_command_takes_a_model_of_the_hub(hub: FakeHub, model: lp.Leaf, tmp_path: Path) -> None:
    for package in ("typer", "rich", "soundfile", "matplotlib"):
        pytest.importorskip(package, reason=f"the command needs {package}")
    import numpy as np
    from _features_command import refused, succeeds, write

    from leaf_port._cli.audio import read_clip

    whole = lp.AudioClassifier(2, model)
    whole.save_pretrained(hub.folder)
    wav, out = write(tmp_path / "clip.wav", rate=16000), tmp_path / "out.npy"
    succeeds(wav, "--weights", "me/leaf", "--out", out)
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(read_clip(wav).samples)[None])[0].numpy()
    assert np.array_equal(np.load(out), expected)
    assert [name for name, _ in hub.asked] == ["me/leaf"]
    for path in ("./me/leaf", "me/leaf.safetensors"):
        assert "no file" in refused(tmp_path, wav, "--weights", path)
    assert len(hub.asked) == 1
    hub.error = RepositoryNotFoundError("404")
    assert "check the name" in refused(tmp_path, wav, "--weights", "me/leaf")
