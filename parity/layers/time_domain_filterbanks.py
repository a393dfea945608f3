"""Time-domain filterbanks."""

from collections.abc import Mapping

from leaf_port import TimeDomainFilterbanks, _rates
from parity import spec
from parity.layers._common import normal, uniform
from parity.layers._frontends import waveforms, wrong_sizes, wrong_waveforms
from parity.layers.gabor_init_taps import tap_rounding
from parity.oracles.exact import frontends


def _told_band() -> str:
    """Of the official band nothing is told, of another one what is other."""
    with _rates.without_warning():
        for band in ({}, {"min_freq": 120.0}, {"max_freq": 7000.0}, {"n_fft": 1024}):
            told = TimeDomainFilterbanks(n_filters=3, **band)._arguments()
            found = {name: told[name] for name in ("min_freq", "max_freq", "n_fft") if name in told}
            if found != band:
                return f"{found} is told of {band}"
    return ""


_BAND = {"sample_rate": 16000, "min_freq": 60.0, "max_freq": 7800.0, "taps": 401}


def _constants(config: spec.Config) -> Mapping[str, spec.Array]:
    return {"complex_conv.kernel": tap_rounding({**_BAND, "filters": config["filters"]})}


def _weights(_config: spec.Config) -> Mapping[str, spec.Weight]:
    return {
        "_complex_conv/kernel": spec.Weight("complex_conv.kernel", normal(0.05)),
        "_pooling/pool/kernel": spec.Weight("pooling.kernel", uniform(0.0, 0.3)),
    }


SPEC = spec.LayerSpec(
    name="time_domain_filterbanks",
    mirrors="frontend.py, lines 222-256",
    port=lambda config: TimeDomainFilterbanks(n_filters=config["filters"]),
    official=lambda config: spec.Ref("leaf_audio.frontend.TimeDomainFilterbanks")(
        n_filters=config["filters"]
    ),
    configs=spec.grid(samples=[16000, 401, 1760, 2222], filters=[40, 6, 9, 5], batch=[1, 2, 2, 2]),
    inputs=waveforms,
    weights=_weights,
    exceptions=spec.Exceptions(
        constants=_constants,
    ),
    exact=lambda given: spec.exactly(
        frontends.time_domain_filterbanks(given.inputs["inputs"], given.weights)
    ),
    budget=spec.Budget(
        port=spec.Bound(9.9, 6.313),
        reference=spec.Bound(6.2, 3.55),
        port_gradient=spec.Bound(13, 9.833),
        reference_gradient=spec.Bound(14, 6.734),
        double=spec.Bound(5.2, 2.625),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    autocast=True,
    folder=lambda config: {
        "kind": "TimeDomainFilterbanks",
        "arguments": {"n_filters": config["filters"]},
    },
    signatures=(
        spec.Signature(
            TimeDomainFilterbanks,
            "leaf_audio.frontend.TimeDomainFilterbanks, leaf_audio.frontend.Leaf",
            own={
                name: spec.Own(value, "fixed in the official code")
                for name, value in (("min_freq", 60.0), ("max_freq", 7800.0), ("n_fft", 512))
            }
            | {"scale": spec.Own(None, "not official")},
            told_by=dict.fromkeys(("sample_rate", "min_freq", "max_freq", "n_fft"), "GaborInit"),
        ),
    ),
    laws=(spec.Law("what is told of its band", _told_band),),
    errors=(
        *wrong_sizes(TimeDomainFilterbanks),
        *wrong_waveforms(lambda: TimeDomainFilterbanks(n_filters=3)),
        spec.ErrorCase("n_fft", lambda: TimeDomainFilterbanks(n_fft=2**48), "runs out of memory"),
        spec.ErrorCase("max_freq", lambda: TimeDomainFilterbanks(sample_rate=8000)),
    ),
)
