"""How much memory a forward pass holds at once, from when each storage is first and last used."""

from __future__ import annotations

from functools import partial
from math import prod

from ucseg_cli.trace import Op, Trace


def peak_activation_bytes(trace: Trace) -> int:
    """The largest sum of storages alive at one operator, without weights and buffers, with the input and outputs.

    A storage lives from the operator that first returns it to the last one that reads or writes it or a view of it.
    What a kernel allocates for itself is not seen.
    """
    weights = {
        trace.tensors[weight.tensor].storage
        for module in trace.modules
        for weight in (*module.parameters, *module.buffers)
    }
    first, last = _lifetimes(trace)
    changes = [0] * (len(trace.ops) + 2)
    for storage, begin in first.items():
        if storage not in weights:
            changes[begin] += trace.storages[storage]
            changes[last[storage] + 1] -= trace.storages[storage]
    peak = alive = 0
    for change in changes:
        alive += change
        peak = max(peak, alive)
    return peak


def real_run_bytes(trace: Trace) -> int:
    """An upper estimate of what a run on real tensors in eval mode needs, in bytes.

    Weights, twice the peak of the activations (the counters keep some alive that the model has let go), and what a
    convolution may unfold at most: its input once for each tap of the kernel.
    """
    weights = sum(trace.tensors[w.tensor].numel * 4 for m in trace.modules for w in (*m.parameters, *m.buffers))
    return weights + 2 * peak_activation_bytes(trace) + max(map(partial(_unfolded_bytes, trace), trace.ops), default=0)


def _unfolded_bytes(trace: Trace, op: Op) -> int:
    if op.name != "convolution" or set(op.attributes["dilation"]) == {1}:
        return 0
    kernel, out = trace.shape(op.inputs[1]) or (), trace.shape(op.outputs[0]) or ()
    return 4 * prod(kernel[1:]) * prod(out[2:])


def _lifetimes(trace: Trace) -> tuple[dict[int, int], dict[int, int]]:
    first = {trace.tensors[tensor].storage: 0 for tensor in trace.inputs}
    last = dict.fromkeys(first, len(trace.ops))
    for index, op in trace.kernels():
        for tensor in (*op.inputs, *op.outputs):
            if tensor is not None:
                storage = trace.tensors[tensor].storage
                first.setdefault(storage, index)
                last[storage] = max(index, last.get(storage, 0))
    last.update({trace.tensors[tensor].storage: len(trace.ops) for tensor in trace.outputs})
    return first, last
