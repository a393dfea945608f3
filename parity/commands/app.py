"""The commands of ``python -m parity`` and their options."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from leaf_port.errors import LeafError
from parity import report
from parity.commands import live as live_runner
from parity.commands import record as recorder
from parity.commands.audit import adapters, verdict
from parity.commands.audit import report as audit_report
from parity.commands.audit.adapters import ADAPTERS
from parity.commands.audit.probes import probes
from parity.commands.audit.rules import WEIGHTS
from parity.commands.audit.stages import Reference
from parity.commands.blame import report as blame_report
from parity.commands.mutants import report as mutants_report
from parity.commands.mutants.bugs import all_mutants
from parity.commands.primitives import _report as primitives_report
from parity.commands.primitives import all_primitives
from parity.layers import all_specs
from parity.oracles.official import Official
from parity.port import backends
from parity.spec import Case, LayerSpec

_HELP = "Record the official answers; check the port and others against them."

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help=_HELP, pretty_exceptions_enable=False
)
Layers = Annotated[
    list[str] | None, typer.Option("--layer", help="Only this layer; may be given several times.")
]


def _chosen(layers: list[str] | None) -> list[LayerSpec]:
    specs = all_specs()
    for name in layers or ():
        if name not in specs:
            known = ", ".join(specs)
            raise LeafError("parity", "--layer", f"one of {known}", name, "give one of them")
    return [spec for name, spec in specs.items() if not layers or name in layers]


def _case(text: str) -> Case:
    """A case that was given as JSON."""
    try:
        return Case.from_json(text)
    except (TypeError, ValueError) as error:
        expected, fix = "a case as JSON", "copy what live or a failure prints"
        raise LeafError("parity", "--keep", expected, f"{text[:60]} ({error})", fix) from error


def _reseal(layers: list[str] | None, console: Console) -> bool:
    """Seals the recordings of layers; of all of them, those of the other ports too."""
    from parity.commands import reseal
    from parity.commands.ports import command, spec

    whole = reseal.reseal(_chosen(layers), console)
    for name, each in {} if layers else spec.RECORDED.items():
        whole &= reseal.reseal([each], console, command.FOLDER / name)
    return whole


@app.command()
def record(
    layer: Layers = None,
    check: Annotated[bool, typer.Option(help="Write nothing; tell what would change.")] = False,
    draw: Annotated[
        int | None,
        typer.Option(min=0, help="Draw this many cases a layer anew; else those kept are asked."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="A case as live prints it: recorded too, as the witness of a bound."),
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Ask only cases that are not recorded yet.")
    ] = False,
    reseal: Annotated[
        bool,
        typer.Option("--reseal", help="Ask nothing: seal whole recordings of an older format."),
    ] = False,
    describe: Annotated[
        bool,
        typer.Option("--describe", help="Ask signatures and weights alone, and no case."),
    ] = False,
) -> None:
    """Ask the live official implementation everything that is declared, and keep its answers.

    Beside the declared cases it asks the drawn ones that the recordings hold. With --keep only the
    layers of these cases are asked, unless --layer names others.

    LEAF_REFERENCE_PYTHON is an interpreter with TensorFlow, LEAF_AUDIO_PATH a checkout of
    google-research/leaf-audio.
    """
    console = Console(stderr=True)
    if reseal:
        if check or keep or new or describe or draw is not None:
            got = "--check, --draw, --keep, --new or --describe"
            raise LeafError("parity", "--reseal", "only --layer beside it", got, "leave it out")
        raise typer.Exit(0 if _reseal(layer, console) else 1)
    kept = [_case(text) for text in keep or ()]
    specs = _chosen(layer or sorted({case.layer for case in kept}))
    if describe:
        with Official() as official:
            changed = recorder.describe(specs, not check, console, official)
    else:
        changed = recorder.record(specs, not check, draw, console, kept, new)
    raise typer.Exit(1 if check and changed else 0)


@app.command()
def run(
    layer: Layers = None,
    case: Annotated[
        str | None, typer.Option(help="Only the case of this name; `cases` lists them.")
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Where the port runs: {', '.join(backends.TABLE)}; may be given several times. "
            "By default all that run here but compiled, exported and onnx, which take long."
        ),
    ] = None,
    first: Annotated[
        int | None, typer.Option(min=1, help="Only the first cases of each layer, so many.")
    ] = None,
    tight: Annotated[
        bool,
        typer.Option(
            "--tight",
            help="Refuse bounds of more than 3 times the worst of this run and of the machines "
            "whose runs were kept.",
        ),
    ] = False,
    worst: Annotated[
        Path | None, typer.Option(help="Write the worst distance of each bound to this new file.")
    ] = None,
) -> None:
    """Check the port against the recorded official answers; exit code 1 if anything is off."""
    from parity.commands.machines import outcome  # what no other run needs

    told = outcome.writer(worst)
    ok = report.run(_chosen(layer), case, report.console(), backend or (), tight, first, told)
    raise typer.Exit(0 if ok else 1)


@app.command()
def cases(
    layer: Layers = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON, for other programs.")] = False,
) -> None:
    """List the cases that `run --case` takes: layer, case and few words, between tabs."""
    from parity.commands import cases as listing

    listing.show(_chosen(layer), json)


@app.command()
def machines(
    layer: Layers = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(help="Only this setting, by its name; may be given several times."),
    ] = None,
    rotate: Annotated[
        float | None,
        typer.Option(min=0, help="Only as many as fit into so many minutes, others each day."),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Add the worst values to the record (for maintainers).")
    ] = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the table to this new file too, for documentation.")
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Run nothing; print the settings and what is missing.")
    ] = False,
) -> None:
    """Run the recorded suite as other processors would: other vector instructions, other threads.

    Each setting that this machine can play is run in a process of its own: torch's and NumPy's
    levels, oneDNN's and MKL's, several threads. Exit code 1 if anything is off in any of them.
    """
    from parity.commands.machines import command

    chosen = command.chosen(setting)
    if list_:
        command.show(chosen, report.console())
        return
    names = [spec.name for spec in _chosen(layer)] if layer else []
    options = command.Options(names, rotate, keep, markdown)
    raise typer.Exit(0 if command.run(chosen, options, report.console()) else 1)


@app.command("report")
def report_(
    layer: Layers = None,
    html: Annotated[
        Path | None, typer.Option(help="The page; parity-report.html with neither of the two.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="All figures; parity-report.json with neither.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    audio: Annotated[
        Path | None,
        typer.Option(help="A WAV or FLAC for the page, if the live official code is at hand."),
    ] = None,
) -> None:
    """Check as `run` does, and write what was found as a page and as JSON.

    With LEAF_REFERENCE_PYTHON and LEAF_AUDIO_PATH set as for `record`, --audio goes through the
    live official code; else the page shows a recorded clip. Exit code 1 if anything is off.
    """
    from parity.report import command as report_command  # matplotlib: the other commands need none

    outputs = report_command.Outputs.chosen(html, json, force)
    ok = report_command.run(_chosen(layer), outputs, audio, report.console())
    raise typer.Exit(0 if ok else 1)


@app.command()
def live(
    layer: Layers = None,
    examples: Annotated[int, typer.Option(min=1, help="Drawn examples for each layer.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    case: Annotated[str | None, typer.Option(help="One case, as a failure prints it.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file too.")] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes, each with a TensorFlow of its own.")
    ] = 2,
) -> None:
    """Compare the port with the live official implementation on drawn examples.

    LEAF_REFERENCE_PYTHON and LEAF_AUDIO_PATH as for `record`; exit code 1 if anything is off.
    """
    layers = [spec.name for spec in _chosen(layer)]
    ok = live_runner.run(layers, examples, seed, case, report.console(), json, workers)
    raise typer.Exit(0 if ok else 1)


@app.command()
def primitives(
    primitive: Annotated[
        list[str] | None,
        typer.Option("--primitive", help="Only this one; may be given several times."),
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="Drawn examples for each.")] = 100,
    case: Annotated[str | None, typer.Option(help="One case, as a failure prints it.")] = None,
    tight: Annotated[
        bool,
        typer.Option("--tight", help="Refuse bounds of more than 3 times what the examples need."),
    ] = False,
) -> None:
    """Compare pieces of the port with TensorFlow's own functions on drawn examples.

    Needs LEAF_REFERENCE_PYTHON and no checkout of leaf_audio; exit code 1 if anything is off.
    """
    table = all_primitives()
    for name in primitive or ():
        if name not in table:
            known = ", ".join(table)
            raise LeafError("parity", "--primitive", f"one of {known}", name, "give one of them")
    chosen = {name: each for name, each in table.items() if not primitive or name in primitive}
    if case is not None and len(chosen) != 1:
        raise LeafError("parity", "--case", "one --primitive beside it", len(chosen), "name it")
    with Official(with_leaf_audio=False) as official:
        ok = primitives_report.run(chosen, examples, case, report.console(), official, tight)
    raise typer.Exit(0 if ok else 1)


@app.command()
def blame(
    layer: Annotated[str, typer.Option(help="The layer.")],
    case: Annotated[str, typer.Option(help="A recorded case's name, or a case as live prints it.")],
    arithmetic: Annotated[
        str | None, typer.Option(help="complex or real, of Gabor filters.")
    ] = None,
    arrays: Annotated[int, typer.Option(min=1, help="How many arrays, the farthest first.")] = 3,
    official: Annotated[
        bool, typer.Option("--official", help="Explain the official answer's distance instead.")
    ] = False,
) -> None:
    """Find the operations whose rounding makes the port's distance from the exact answer.

    Each kind of operation is computed in float64, one at a time: what is left of the distance? Of
    the official answer: is the port as far off, and where it is, with float32 statistics alone?
    """
    (spec,) = _chosen([layer])
    if official:
        blame_report.run_official(spec, case, arrays, report.console())
        return
    blame_report.run(spec, case, arithmetic, arrays, report.console())


@app.command()
def mutants(
    only: Annotated[
        list[str] | None, typer.Option(help="Only the bug of this name; may be given several times")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write everything to this file too.")] = None,
    automatic: Annotated[
        bool,
        typer.Option("--automatic", help="Small edits of all of the port instead of known bugs."),
    ] = False,
    sample: Annotated[
        int | None, typer.Option(min=1, help="With --automatic: draw so many edits.")
    ] = None,
    seed: Annotated[int, typer.Option(help="With --automatic: of the draw.")] = 0,
    since: Annotated[
        str | None,
        typer.Option(help="With --automatic: only edits of lines that differ from this revision."),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            help="With --automatic: only files that begin so, as leaf_port/_ops/. Those of "
            "weight_conversion/official/ are tried if they are named."
        ),
    ] = None,
    tests: Annotated[
        list[str] | None,
        typer.Option(
            help="With --automatic: files or folders of tests, as tests/leaf_port, for what the "
            "checks do not catch."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="With --automatic: a folder for what is found; a rerun goes on there."),
    ] = None,
    after: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="With --automatic: an earlier campaign, whose catches come first for each edit.",
        ),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="With --automatic: make the figures the record (for maintainers)."
        ),
    ] = False,
    layer: Layers = None,
) -> None:
    """Plant known bugs in the port, one at a time; exit code 1 if the checks miss any of them.

    With --automatic it tries edits that nobody thought of: another operator, a dropped argument,
    a default that is another one. --layer is of the checks that are run then.
    """
    if automatic:
        if out is None:
            fix = "name one; it may be new"
            raise LeafError("parity", "--out", "a folder for what is found", out, fix)
        from parity.commands.mutants.automatic import report as automatic_report

        layers = [spec.name for spec in _chosen(layer)] if layer else []
        chosen_edits = automatic_report.Chosen(
            sample, seed, since, file or (), layers, tests or (), after
        )
        ok = automatic_report.run(out, chosen_edits, report.console(), keep)
        raise typer.Exit(0 if ok else 1)
    if any((sample, since, file, tests, layer, out, after, keep)):
        got = "--sample, --since, --file, --tests, --layer, --out, --after or --keep"
        fix = "give --automatic too"
        raise LeafError("parity", "mutants", "--automatic beside it", got, fix)
    table = all_mutants()
    for name in only or ():
        if name not in {mutant.name for mutant in table}:
            near = difflib.get_close_matches(name, [mutant.name for mutant in table], 1, 0.3)
            fix = (
                "".join(f"did you mean {close!r}?" for close in near)
                or "see parity/commands/mutants/bugs"
            )
            raise LeafError("parity", "--only", "the name of a planted bug", name, fix)
    chosen = [mutant for mutant in table if not only or mutant.name in only]
    raise typer.Exit(0 if mutants_report.run(chosen, report.console(), json) else 1)


def _slots(weights: list[str] | None) -> dict[str, list[str]]:
    """``gabor=PATH`` or ``gabor=PATH,PATH`` of each ``--weight``."""
    slots = {}
    for each in weights or ():
        name, _, paths = each.partition("=")
        if name not in WEIGHTS or not paths:
            expected = f"NAME=PATH with one of {', '.join(WEIGHTS)}"
            raise LeafError("audit", "--weight", expected, each, "name a parameter of the target")
        slots[name] = paths.split(",")
    return slots


@app.command()
def audit(
    target: Annotated[
        str, typer.Argument(help="speechbrain, module:attribute, or a folder with a checkout.")
    ],
    adapter: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(ADAPTERS)}; found out by default.")
    ] = None,
    factory: Annotated[
        str | None,
        typer.Option(help="module:expression (with a named adapter: expression) for the Leaf."),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PATH of a parameter; gabor=PATH,PATH for centres and deviations."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write everything to this file.")] = None,
) -> None:
    """Audit a foreign PyTorch LEAF: where it leaves the official one, how far, and why.

    It must be built like the official default: 40 filters, 16 kHz, 25 ms windows every 10 ms, PCEN.
    Exit code 0 if it agrees, 1 if it diverges, 2 if it cannot be audited.
    """
    console = Console()
    foreign = adapters.load(target, adapter, factory, _slots(weight))
    with Console(stderr=True).status(f"auditing {foreign.source}"):
        found = verdict.audit(foreign, Reference(probes()))
    audit_report.show(found, console)
    if json is not None:
        audit_report.write_json(found, json)
    raise typer.Exit(0 if found.agrees else 1)


@app.command()
def ports(
    target: Annotated[
        str | None,
        typer.Argument(help="speechbrain, or a checkout of leaf-pytorch; recorded answers if none"),
    ] = None,
    examples: Annotated[int, typer.Option(min=0, help="Drawn beside the declared cases.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    case: Annotated[str | None, typer.Option(help="One case, as a failure prints it.")] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Keep its answers instead (for maintainers).")
    ] = False,
    tight: Annotated[
        bool,
        typer.Option("--tight", help="Refuse bounds of more than 3 times what recordings need."),
    ] = False,
) -> None:
    """Check models that `weight_conversion import` made against the port they come from.

    Exit code 0 if they compute the same, 1 if not, 2 if the port cannot be asked.
    """
    from parity.commands.ports import command

    if record:
        command.record(target, examples, seed, report.console())
        return
    ok = command.run(target, examples, seed, case, report.console(), tight)
    raise typer.Exit(0 if ok else 1)


@app.command()
def training(
    model: Annotated[
        list[str] | None, typer.Option(help="Only this model; may be given several times.")
    ] = None,
    step: Annotated[int | None, typer.Option(help="Only this recorded step.")] = None,
    backend: Annotated[
        list[str] | None, typer.Option(help="Where the port runs: cpu (default), cuda or xla.")
    ] = None,
    drift: Annotated[
        bool, typer.Option(help="Train the port by itself too, and show how far it drifts.")
    ] = True,
    record: Annotated[
        bool,
        typer.Option("--record", help="Have the official code train instead (for maintainers)."),
    ] = False,
) -> None:
    """Check that one step of training is the official one, from the same weights on the same batch.

    Exit code 0 if it is, 1 if not. With --record it needs LEAF_REFERENCE_PYTHON and
    LEAF_AUDIO_PATH, as `record` does.
    """
    from parity.commands.training import command, models  # what no other command needs

    chosen = [models.named(name) for name in model or models.MODELS]
    if record:
        command.record(chosen, Console(stderr=True))
        return
    ok = command.run(chosen, step, backend or (), drift, report.console())
    raise typer.Exit(0 if ok else 1)


@app.command()
def accuracy(
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The experiment's folder.")],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FOLDER", help="Recordings, as `leaf_port train` takes them."
        ),
    ] = None,
    side: Annotated[
        list[str] | None, typer.Option(help="official or port; both by default.")
    ] = None,
    frontend: Annotated[
        list[str] | None,
        typer.Option(
            help="leaf, mel, sincnet_plus or tfbanks; may be given several times. Default: all."
        ),
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="May be given several times. Default: 0, 1 and 2.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 25,
    seq_len: Annotated[
        int | None,
        typer.Option(min=1, metavar="SAMPLES", help="Of an example. Default: one second."),
    ] = None,
    filters: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,…", help="Channels of ConvNet's blocks. Default: 64,128,256,256,512,512."
        ),
    ] = None,
    validation: Annotated[
        str,
        typer.Option(
            metavar="auto|test", help="As in `leaf_port train`: auto holds a tenth out for it."
        ),
    ] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Of either side.")] = 1,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Begin no epoch after so many; the same command goes on."),
    ] = None,
    table: Annotated[
        bool, typer.Option("--table", help="Train nothing; print what is finished, as Markdown.")
    ] = False,
) -> None:
    """Train official code and port on the same recordings, and compare their accuracies.

    Both take the official recipe, the same clips in the same order, filters made for 16 kHz. Each
    side, frontend and seed is one training, whose result is a file in OUT/results. A run that was
    killed goes on after its last epoch. The official side needs LEAF_REFERENCE_PYTHON and
    LEAF_AUDIO_PATH. Exit code 1 if something is left to train.
    """
    from leaf_port import _publish
    from parity.commands.accuracy import cells, command, loop  # what no other command needs

    if table:
        typer.echo(command.show(out), nl=False)
        return
    chosen = list(cells.chosen(side or (), frontend or (), seed or ()))
    options = command.Options(
        out,
        data,
        epochs,
        seq_len,
        cells.channels(filters),
        validation=validation,
        threads=threads,
        minutes=minutes,
    )
    with _publish.ended_cleanly():
        whole = command.run(options, chosen, loop.say)
    raise typer.Exit(0 if whole else 1)


@app.command()
def study(
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The study's folder.")],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FOLDER", help="Recordings, as `leaf_port train` takes them."
        ),
    ] = None,
    on: Annotated[
        list[str] | None, typer.Option(help="recordings or keywords; both by default.")
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            help="exact, frozen, faster_filters, speechbrain, autrainer or mel_filterbanks; may be "
            "given several times. Default: all."
        ),
    ] = None,
    initial: Annotated[
        list[str] | None, typer.Option(help="mel, bark, linear or constant. Default: all.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="May be given several times. Default: 0, 1 and 2.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 8,
    learning_rate: Annotated[float, typer.Option(min=0, help="Adam's.")] = 1e-3,
    threads: Annotated[int, typer.Option(min=1, help="Of torch.")] = 1,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Begin no epoch after so many; the same command goes on."),
    ] = None,
    report_only: Annotated[
        bool,
        typer.Option("--report", help="Train nothing; write OUT/report of what is finished."),
    ] = False,
) -> None:
    """Does LEAF learn its filters? Train it, and it with public ports' faults, and measure.

    On recordings, and on keywords made here whose information lies in a known band: from filters on
    several scales, accuracy and how far the filters move. Each training's result is a file in
    OUT/results. A run that was killed goes on after its last epoch. Exit code 1 if something is
    left to train.
    """
    from leaf_port import _publish
    from parity.commands.accuracy import loop
    from parity.commands.study import cells, command  # what no other command needs

    if report_only:
        for path in command.write_report(out):
            typer.echo(path)
        return
    chosen = list(cells.chosen(on or (), variant or (), initial or (), seed or ()))
    options = command.Options(
        out, data, epochs, learning_rate=learning_rate, minutes=minutes, threads=threads
    )
    with _publish.ended_cleanly():
        whole = command.run(options, chosen, loop.say)
    raise typer.Exit(0 if whole else 1)


@app.command("xla-complex")
def xla_complex(
    findings: Annotated[
        list[Path] | None, typer.Argument(help="With --table: files that --json wrote.")
    ] = None,
    python: Annotated[
        str, typer.Option(help="An interpreter with torch and torch_xla, of any version from 2.1.")
    ] = sys.executable,
    device: Annotated[
        str | None, typer.Option(help="CPU, TPU, …: as PJRT_DEVICE, which is the default.")
    ] = None,
    limit: Annotated[float, typer.Option(min=1, help="Seconds that a probe may take.")] = 120.0,
    json: Annotated[Path | None, typer.Option(help="Also write everything to this file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    table: Annotated[
        bool, typer.Option("--table", help="Probe nothing; print files as one Markdown table.")
    ] = False,
) -> None:
    """Tell which complex operations an XLA device computes rightly, and what follows for the port.

    Each operation is run forward and backward in another process, against float64 on the CPU.
    Exit code 0 once all were tried, whatever they gave; 2 if they cannot be.
    """
    from parity.commands.xla_complex import command  # what no other command needs

    if table and json is not None:
        raise LeafError("xla-complex", "--json", "no --table beside it", json, "leave one out")
    if table:
        typer.echo(command.merge(findings or []), nl=False)
        return
    if findings:
        expected = "--table before files"
        raise LeafError("xla-complex", "FINDINGS", expected, findings[0], "add --table")
    options = command.Options(python, device, limit, json, force)
    command.run(options, report.console(), Console(stderr=True))


def main(program: str) -> None:
    """Runs the command; an error of ours is one line and exit code 2."""
    try:
        app(prog_name=program)
    except LeafError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
