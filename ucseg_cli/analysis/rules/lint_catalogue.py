"""The rules of the linter: what each looks for, why it matters, and where that is known from."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Severity(IntEnum):
    """How much a finding matters."""

    INFO = 1
    WARNING = 2
    ERROR = 3


class Rule(NamedTuple):
    """Something to look for.

    Args:
        code: as in ``--select UC101``.
        severity: of its findings.
        title: what is wrong, in a few words.
        reasoning: why it matters, and how to fix it.
        source: where that is known from.
        restates_table: whether a table of costs shows its findings already.
    """

    code: str
    severity: Severity
    title: str
    reasoning: str
    source: str
    restates_table: bool = False


ONE_BY_ONE = Rule(
    "UC101",
    Severity.WARNING,
    "a dilated conv that is exactly a 1×1 conv at this size",
    "The rate is so large for the map that every kernel position but the centre sees only padding. "
    "A 1×1 conv with the centre's weights gives the same output; the other weights never get a "
    "gradient and stay in the checkpoint.",
    "Chen et al. 2017, arXiv:1706.05587, section 3.3: "
    "a 3×3 filter degenerates to 1×1 as the rate nears the map's size.",
)
MOSTLY_PADDING = Rule(
    "UC102",
    Severity.INFO,
    "a dilated conv that mostly reads padding",
    "Less than half of the products of kernel and map use data; every counter charges all of them.",
    "Counted from kernel, rate, padding and map size; `ucseg reach` shows each conv.",
)
UNFIT_RATES = Rule(
    "UC103",
    Severity.WARNING,
    "rates that were chosen for a finer map",
    "The rates 6, 12, 18 were chosen for an output stride of 16, where the kernel reaches 288 "
    "pixels from its centre. At 32 the map has half the side, and the same rates reach twice as "
    "far. Halve the rates, or dilate the backbone's last stage instead of striding; "
    "both change the output.",
    "Chen et al. 2017, arXiv:1706.05587, table 5: "
    "rates (6, 12, 18) at output stride 16, doubled at 8.",
)
LATE_CLASSIFIER = Rule(
    "UC104",
    Severity.WARNING,
    "a pointwise conv after a bilinear upsample",
    "A 1×1 conv mixes channels and a bilinear upsample mixes positions, so their order does not "
    "matter: the bilinear weights at each position add up to 1, which carries the bias through. "
    "Before the upsample the conv runs on far fewer positions. A conv that makes more channels "
    "than it takes makes the upsample more expensive; it is reported only if the total falls.",
    "Linear algebra; proven on real weights in float64 by this project's tests.",
)
UNUSED_PARAMETERS = Rule(
    "UC105",
    Severity.WARNING,
    "parameters that the forward pass never uses",
    "They cost memory and disk, and never get a gradient unless training alone uses them, "
    "as it does an auxiliary head. Without them the output in eval mode is the same.",
    "No operator of the recorded forward pass reads them.",
)
BIAS_BEFORE_NORM = Rule(
    "UC106",
    Severity.INFO,
    "a conv bias directly before batch norm",
    "The norm subtracts the mean, and with it any bias; its own bias takes over. Set bias=False. "
    "In eval mode the output is the same once the bias is subtracted from the running mean.",
    "Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.2.",
)
NORM_OF_ONE_VALUE = Rule(
    "UC107",
    Severity.WARNING,
    "batch norm on a 1×1 map",
    "In training at batch 1 each channel has one value, whose variance is zero: torch raises an "
    "error. Train with larger batches and drop an incomplete last one, or use another norm there.",
    "torch.nn.functional.batch_norm: 'Expected more than 1 value per channel when training'.",
)
HEAVY_BLOCK = Rule(
    "UC108",
    Severity.INFO,
    "one block holds more than a third of the network",
    "A single block with more than a third of the parameters or operations is where a change "
    "pays most.",
    "The figures of `ucseg params` and `ucseg flops` at depth 2.",
    restates_table=True,
)

RULES = {
    rule.code: rule
    for rule in (
        ONE_BY_ONE,
        MOSTLY_PADDING,
        UNFIT_RATES,
        LATE_CLASSIFIER,
        UNUSED_PARAMETERS,
        BIAS_BEFORE_NORM,
        NORM_OF_ONE_VALUE,
        HEAVY_BLOCK,
    )
}
