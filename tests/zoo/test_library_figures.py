"""Networks of timm and smp: parameters and FLOPs of other counters, in total and by module."""

from __future__ import annotations

import warnings
from collections import Counter
from importlib.util import find_spec

import pytest
import torch
from torch import nn

from ucseg_cli.analysis.counters.agreement import agreement, our_count
from ucseg_cli.analysis.counting.operations import total_flops
from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.engine.counters import count_parameters, count_with_torch
from ucseg_cli.engine.recording.build_on_meta import building_on_meta
from ucseg_cli.engine.recording.record import record
from ucseg_cli.facts.count import Count
from ucseg_cli.references.libraries import network_modules, network_names
from ucseg_cli.zoo.providers import PROVIDERS
from ucseg_cli.zoo.timm_models import import_timm
from ucseg_cli.zoo.torchvision_import import torchvision_packages_on_demand

needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="timm is not installed")
needs_smp = pytest.mark.skipif(
    find_spec("segmentation_models_pytorch") is None,
    reason="segmentation_models_pytorch is not installed",
)

MOST_PARAMETERS = 100_000_000

NETWORKS = [
    *("bat_resnext26ts", "beit_base_patch16_224", "botnet26t_256", "botnet50ts_256"),
    *("caformer_s18", "cait_xs24_384", "cait_xxs36_384", "coat_lite_medium"),
    *("coat_lite_medium_384", "coatnet_0_224", "convformer_s18", "convit_tiny", "convmixer_768_32"),
    *("convnext_atto", "convnext_atto_ols", "cpubone_b0_bfrobust", "cpubone_nano"),
    *("crossvit_18_240", "crossvit_9_240", "cs3darknet_focus_s", "cs3darknet_s", "csatv2"),
    *("cspnext_l", "cspnext_tiny", "davit_base", "davit_tiny", "deit3_small_patch16_224"),
    *("deit3_small_patch16_384", "densenet121", "dla34", "dpn48b", "eca_resnext26ts"),
    *("eca_vovnet39b", "ecaresnet26t", "edgenext_base", "edgenext_xx_small"),
    *("efficientformer_l1", "efficientformerv2_l", "efficientnet_b0", "efficientvim_m1"),
    *("efficientvit_b0", "efficientvit_b1", "efficientvit_m0", "eva02_small_patch14_336"),
    *("fasternet_l", "fasternet_s", "fastvit_ma36", "flexivit_small", "focalnet_base_lrf"),
    *("focalnet_tiny_srf", "gcvit_xxtiny", "ghostnet_050", "ghostnet_100", "gmixer_12_224"),
    *("hardcorenas_a", "hgnet_small", "hgnetv2_b0", "hiera_small_224", "hiera_tiny_224"),
    *("hieradet_small", "hrnet_w18_small", "hrnet_w30", "iformer_s", "iformer_t"),
    *("inception_next_atto", "inception_next_tiny", "inception_resnet_v2", "inception_v3"),
    *("inception_v4", "lcnet_035", "lcnetv2_base", "lcnetv2_small", "legacy_seresnet18"),
    *("legacy_seresnet50", "legacy_xception", "levit_128", "lowformer_b0", "lowformer_b1"),
    *("mambaout_femto", "mambaout_tiny", "maxxvitv2_nano_rw_256", "mobilenetv5_base"),
    *("mobilevit_xs", "mobilevitv2_100", "mvitv2_small_cls", "mvitv2_tiny"),
    *("naflexvit_base_patch16_gap", "nasnetalarge", "nest_small", "nest_tiny_jx"),
    *("nextvit_base", "nextvit_small", "nf_ecaresnet26", "nf_seresnet50", "pit_b_224"),
    *("pit_xs_224", "pnasnet5large", "pvt_v2_b0", "pvt_v2_b1", "qwen3_vit_88m", "rdnet_base"),
    *("rdnet_tiny", "regnetv_040", "regnetx_120", "repghostnet_058", "repghostnet_100"),
    *("repvit_m0_9", "repvit_m1_0", "res2net50_14w_8s", "res2next50", "resnest14d"),
    *("resnest26d", "resnetv2_18d", "resnetv2_34", "rexnet_100", "rexnet_150"),
    *("sam2_hiera_tiny", "samvit_base_patch16", "selecsls42", "sequencer2d_s", "shvit_s1"),
    *("skresnet18", "skresnet50", "starnet_s050", "starnet_s150", "swiftformer_s"),
    *("swiftformer_xs", "swin_s3_small_224", "swin_tiny_patch4_window7_224"),
    *("swinv2_cr_tiny_ns_224", "swinv2_small_window8_256", "swinv2_tiny_window16_256"),
    *("tf_mobilenetv3_small_minimal_100", "tiny_vit_11m_224", "tiny_vit_5m_224", "tinynet_e"),
    *("tnt_b_patch16_224", "tresnet_l", "twins_pcpvt_small", "twins_svt_small"),
    *("visformer_small", "visformer_tiny", "vit_base_mci_224", "vit_relpos_small_patch16_224"),
    *("vit_relpos_small_patch16_rpn_224", "vit_tiny_patch16_dinov3_qkvb"),
    *("vit_tiny_r_s16_p8_384", "vit_xsmall_patch16_clip_224", "vitamin_small_224"),
    *("volo_d1_224", "wide_resnet50_2", "xception41", "xcit_nano_12_p8_384"),
]
"""At least one of each family, the cheapest to record."""

SIDES = {"sequencer2d_s": 28}
"""Sides of images for networks whose LSTM layers take a step for each position."""

TOO_LARGE = {
    "deepseek_vit": "its smallest network has 411.8M parameters",
    "gemma4_vit": "its smallest network has 167.4M parameters",
    "vgg": "its smallest network has 132.9M parameters",
}
"""Families without a network of fewer than MOST_PARAMETERS."""

PRODUCTS = {"mm", "bmm", "addmm", "baddbmm"}
"""Kernels of one matrix product. Which of them torch runs depends on the layout of its input and on
whether it keeps track of a view of a weight, but its price does not. In three families of timm
(byoanet, davit, edgenext) that differs between a pass with and one without inference_mode.
"""

ENCODERS = {
    "DPT": ("tu-vit_tiny_patch16_224", "tu-deit_tiny_patch16_224", "tu-vit_small_patch32_224"),
    "Linknet": ("resnet18", "efficientnet-b0", "tu-resnet10t"),
    "UnetPlusPlus": ("resnet18", "efficientnet-b0", "tu-resnet10t"),
}
"""DPT takes vision transformers only; two others refuse those of Segformer, by their own error."""
ANY_ENCODERS = ("resnet18", "mit_b0", "tu-resnet10t")
PAIRS = [
    (architecture, encoder)
    for architecture in (network_names("smp") if find_spec("segmentation_models_pytorch") else ())
    for encoder in ENCODERS.get(architecture, ANY_ENCODERS)
]


def build(library: str, name: str, **arguments: str) -> nn.Module:
    with building_on_meta():
        return PROVIDERS[library].build(name, arguments).eval()


def image(name: str) -> torch.Tensor:
    """The smallest that the network takes, or that it was made for, if it takes no other."""
    made_for = import_timm().models.get_pretrained_cfg(name)
    if name in SIDES:
        return torch.empty(1, 3, SIDES[name], SIDES[name], device="meta")
    if made_for is None:
        return torch.empty(1, 3, 224, 224, device="meta")
    side = made_for.input_size[-1]
    if not made_for.fixed_input_size and side > 128:
        side = max(128, (made_for.min_input_size or (0,))[-1])
    return torch.empty(1, made_for.input_size[0], side, side, device="meta")


def figures(library: str, name: str, x: torch.Tensor, **arguments: str) -> int:
    """The FLOPs of a network, after they and its parameters were compared with other counters."""
    model = build(library, name, **arguments)
    with torchvision_packages_on_demand(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trace = record(model, x)
        counts = (count_parameters(model), count_with_torch(model, x))
    for count in counts:
        result = agreement(trace, count)
        assert [one for one in result.differences if one.scope != "operator"] == [], name
    ours, theirs = (_products_as_one(count) for count in (our_count(trace, "torch"), counts[1]))
    assert ours == theirs
    assert total_params(trace)["params"] == sum(p.numel() for p in model.parameters())
    return total_flops(trace)["torch"]


def _products_as_one(count: Count) -> Counter[str]:
    merged: Counter[str] = Counter()
    for operator, flops in (count.operators or {}).items():
        merged["product" if operator in PRODUCTS else operator] += flops
    return +merged


@needs_timm
@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_timm_has_the_figures_of_other_counters(name: str) -> None:
    assert figures("timm", name, image(name)) > 0


@needs_timm
def test_every_family_of_timm_is_among_them_or_too_large() -> None:
    modules = network_modules("timm")
    families = {module.rpartition(".")[2] for module in modules.values()}
    tried = {modules[name].rpartition(".")[2] for name in NETWORKS}
    assert families - tried == set(TOO_LARGE)
    assert len(set(NETWORKS)) >= 150


@needs_timm
@pytest.mark.slow
@pytest.mark.parametrize("family", TOO_LARGE)
def test_a_family_that_is_left_out_has_only_larger_networks(family: str) -> None:
    modules = network_modules("timm")
    for name in (name for name in modules if modules[name].endswith(f".{family}")):
        parameters = build("timm", name).parameters()
        assert sum(p.numel() for p in parameters) > MOST_PARAMETERS


@needs_smp
@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "encoder"), PAIRS)
def test_an_architecture_of_smp_has_the_figures_of_other_counters(
    architecture: str, encoder: str
) -> None:
    side = 224 if architecture == "DPT" else 128
    x = torch.empty(1, 3, side, side, device="meta")
    assert figures("smp", architecture, x, encoder_name=encoder) > 0
