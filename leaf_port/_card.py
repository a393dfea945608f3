"""The model card ``README.md`` of a folder: what its ``config.json`` and ``verification.json`` say.

https://huggingface.co/docs/hub/model-cards; the lines between the dashes are YAML for the Hub.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from leaf_port import _stored
from leaf_port._model_folder import CONFIG, VERIFICATION, WEIGHTS, sealed, sha256
from leaf_port.errors import LeafError

Json = Mapping[str, Any]

_LARGEST = 1 << 24
_NOT_OFFICIAL = {"pooling_padding": "SYMMETRIC", "pooling_bias": True}


def card(config: Json, name: str = "FOLDER", verification: Json | None = None) -> str:
    """The card's text.

    Args:
        config: of the folder.
        name: by which the model is loaded.
        verification: of the same files; None where there is none.
    """
    parts = [
        _header(config),
        f"# {_title(config)}\n\n{_summary(config)}",
        _usage(config, name),
        _options(config),
        *([_training(config["training"])] if isinstance(config.get("training"), Mapping) else []),
        *([_measured(verification)] if verification else []),
        _provenance(config),
    ]
    return sealed("\n\n".join(parts) + "\n\n")


def verification(folder: Path) -> Json | None:
    """What ``verification.json`` says of a folder's files; None where there is none.

    Raises:
        LeafError: it is damaged, or of other files.
    """
    path = folder / VERIFICATION
    if not path.exists():
        return None
    fix = "verify again: python -m weight_conversion verify"
    text = _stored.read_together(folder, [(VERIFICATION, _LARGEST)], fix)[0]
    try:
        found = json.loads(text.decode("utf-8"))
        files = {name: sha256(folder / name) for name in (CONFIG, WEIGHTS)}
        if found["files"] != files:
            raise LeafError("card", str(path), "measurements of these files", "of others", fix)
        _measured(found)
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, JSONDecodeError) as error:
        got = f"{type(error).__name__}: {str(error)[:200]}"
        raise LeafError("card", str(path), "what verify writes", got, fix) from error
    return dict(found)


def _header(config: Json) -> str:
    classifies = config["kind"] == "AudioClassifier"
    task = "audio-classification" if classifies else "feature-extraction"
    kinds = sorted({each["kind"] for each in _trees(config) if each["kind"] in _FRONTENDS})
    tags = ["audio", "leaf-audio", *(_FRONTENDS[kind] for kind in kinds)]
    lines = ["library_name: leaf-port", f"pipeline_tag: {task}", "tags:"]
    return "\n".join(["---", *lines, *(f"- {tag}" for tag in tags), "---"])


_FRONTENDS = {
    "Leaf": "leaf",
    "TimeDomainFilterbanks": "time-domain-filterbanks",
    "SincNet": "sincnet",
    "SincNetPlus": "sincnet-plus",
    "MelFilterbanks": "mel-filterbanks",
}


def _trees(config: Json) -> list[Json]:
    """The model, and the frontend and the encoder of a classifier."""
    arguments = config.get("arguments", {})
    inside = [arguments.get(name) for name in ("frontend", "encoder")]
    return [config, *(each for each in inside if isinstance(each, Mapping))]


def _frontend(config: Json) -> Json | None:
    return next((each for each in _trees(config) if each["kind"] in _FRONTENDS), None)


def _title(config: Json) -> str:
    inside = ", ".join(each["kind"] for each in _trees(config)[1:])
    return f"{config['kind']}({inside})" if inside else str(config["kind"])


def _summary(config: Json) -> str:
    if config["kind"] == "AudioClassifier":
        what = f"An audio classifier of {config['arguments']['num_outputs']} classes"
    else:
        what = "An audio frontend: `(batch, samples)` to `(batch, frames, filters)`"
    paper = "[LEAF](https://arxiv.org/abs/2101.08596)"
    lines = [f"{what}. It needs the package `leaf-port`: {paper} in PyTorch."]
    part = _frontend(config)
    rate = part["arguments"].get("sample_rate") if part else None
    told = "not known" if rate is None else f"{rate:g} Hz"
    lines.append(f"Sample rate: {told}. Input: mono samples from -1 to 1, float32.")
    arguments = part["arguments"] if part else {}
    changed = [name for name, value in _NOT_OFFICIAL.items() if arguments.get(name) == value]
    if changed:
        lines.append(f"It is not the official function: {' and '.join(changed)} are others.")
    return "\n".join(lines)


def _usage(config: Json, name: str) -> str:
    kind = config["kind"]
    lines = [
        "## Load",
        "",
        "```python",
        f"from leaf_port import {kind}",
        "",
        f"model = {kind}.from_pretrained({json.dumps(name)})",
        *(["frontend = model.frontend"] if kind == "AudioClassifier" and _frontend(config) else []),
        "```",
    ]
    return "\n".join(lines)


def _options(config: Json) -> str:
    """The description, as JSON: nothing in it is read as Markdown."""
    tree = {name: config[name] for name in ("kind", "arguments") if name in config}
    return f"## Options\n\n```json\n{json.dumps(tree, indent=1)}\n```"


def _training(told: Json) -> str:
    """What ``python -m leaf_port train`` noted: data, recipe, how good the model is."""
    lines = ["## Training", "", "| | |", "|---|---|"]
    lines += [f"| {_plain(name)} | {_noted(value)} |" for name, value in told.items()]
    return "\n".join(lines)


def _noted(value: object) -> str:
    """A value, or several beside their names."""
    if isinstance(value, Mapping):
        return "; ".join(f"{_plain(name)}: {_noted(each)}" for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_noted(each) for each in value)
    return _plain(f"{value:.4g}" if isinstance(value, float) else value)


def _measured(verification: Json) -> str:
    """The worst of all clips for each output and pair."""
    if not verification.get("judged"):
        verdict = "Not judged: there were no bounds."
    else:
        verdict = "All within the bounds." if verification.get("ok") else "Some exceed the bounds."
    lines = [
        "## Verification",
        "",
        f"What `python -m weight_conversion verify` measured, the worst of all clips. {verdict}",
        "Relative differences are of Frobenius norms; units are of the element's own rounding.",
        "",
        "| output | compared | relative | units | allowed |",
        "|---|---|---|---|---|",
    ]
    pairs: dict[tuple[str, str], list[Json]] = {}
    for row in verification["rows"]:
        key = _plain(row["output"]), f"{_plain(row['first'])}, {_plain(row['second'])}"
        pairs.setdefault(key, []).append(row)
    for (output, pair), rows in pairs.items():
        worst = (_greatest(rows, name) for name in ("relative", "units", "allowed"))
        lines.append(f"| {output} | {pair} | {' | '.join(worst)} |")
    return "\n".join(lines)


def _greatest(rows: list[Json], name: str) -> str:
    """Infinity is null in the file: an answer that could not be compared."""
    values = [row[name] for row in rows]
    if any(value is None for value in values):
        return "-"
    return f"{max(values):.2g}"


def _provenance(config: Json) -> str:
    lines = ["## Files", "", "| file | SHA-256 |", "|---|---|"]
    lines += [f"| {name} | {told} |" for name, told in _table(config, "weights")]
    for name, told in _table(config, "source"):
        lines.append(f"| converted from {name} | {told} |")
    versions = ", ".join(" ".join(pair) for pair in _table(config, "versions"))
    return "\n".join([*lines, "", f"Written with {versions or 'versions that are not known'}."])


def _table(config: Json, name: str) -> list[tuple[str, str]]:
    """What a part of ``config.json`` notes, by name; nothing where there is no such part."""
    part = config.get(name)
    pairs = part.items() if isinstance(part, Mapping) else ()
    return [(_plain(key), _plain(value)) for key, value in pairs]


def _plain(text: object) -> str:
    """Text in which nothing is Markdown or HTML."""
    kept = " .,+-:_()"
    return "".join(each if each.isalnum() or each in kept else "?" for each in str(text)[:80])
