"""The zeros in a checkpoint, and the channels that a network can do without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from ucseg_cli.analysis.counting.operations import own_flops
from ucseg_cli.analysis.counting.stored_types import StoredAs, stored_types
from ucseg_cli.analysis.counting.zeros_by_module import own_zeros
from ucseg_cli.analysis.narrowing.zero_channels import Removal, remove_zero_channels
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.state_dict import StateDict, Zeros, state_dict_trace
from ucseg_cli.facts.trace import Trace

MACS = "macs"
"""The convention in which the saving of a removal is shown by module."""
CHANNEL_METRICS = ("zero_channels", "removable", "macs_saved")


class SparseWeights(NamedTuple):
    """A checkpoint, with the zeros in its data.

    Args:
        name: of the checkpoint. state: with the names of the network, if there is one.
        zeros, stored: by entry. Values that are packed are not counted: a code is not a value.
        network: that has these weights. removal: what can be removed from it.
    """

    name: str
    state: StateDict
    zeros: Mapping[str, Zeros]
    stored: Mapping[str, StoredAs]
    network: Subject | None = None
    removal: Removal | None = None

    @property
    def trace(self) -> Trace:
        """The modules: of the network, or as the names of the entries have them."""
        return state_dict_trace(self.state) if self.network is None else self.network.trace

    def own(self) -> dict[str, Counter[str]]:
        """Every module's own figures by path; with a network also those of CHANNEL_METRICS."""
        own = own_zeros(self.trace, self.zeros)
        if self.removal is None:
            return own
        for layer in self.removal.layers:
            own[layer.path]["zero_channels"] += len(layer.zero or ())
            own[layer.path]["removable"] += len(layer.removable)
        before, after = own_flops(self.removal.before), own_flops(self.removal.after)
        for path, figures in before.items():
            own[path]["macs_saved"] += figures[MACS] - after[path][MACS]
        return own


def sparse_weights(
    name: str, state: StateDict, zeros: Mapping[str, Zeros], network: Subject | None
) -> SparseWeights:
    """The zeros of a checkpoint; with a *network* that loads it, also what goes with them."""
    stored = stored_types(state, zeros)
    packed = {entry: Zeros(None) for entry, how in stored.items() if how.packing is not None}
    known = {**zeros, **packed}
    if network is None:
        return SparseWeights(name, state, known, stored)
    by_tensor: dict[int, Zeros] = {}
    for module in network.trace.modules:
        inside = f"{module.path}." if module.path else ""
        for weight in (*module.parameters, *module.buffers):
            if (found := known.get(f"{inside}{weight.name}")) is not None:
                by_tensor.setdefault(weight.tensor, found)
    removal = remove_zero_channels(network.trace, by_tensor)
    return SparseWeights(name, state, known, stored, network, removal)
