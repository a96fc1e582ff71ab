"""A trace of a made-up network that has one of everything a trace can hold."""

from __future__ import annotations

from ucseg_cli.facts.trace import Module, Op, Saved, Tap, Tensor, Trace, Weight

TRACE = Trace(
    modules=(
        Module("", "Net", calls=1, outputs=(4,)),
        Module(
            "conv",
            "Conv2d",
            (Weight("weight", 1, trainable=True),),
            (Weight("seen", 2, trainable=False),),
            None,
            1,
            (3,),
        ),
        Module("same", "Conv2d", alias_of="conv"),
    ),
    tensors=(
        Tensor((1, 3, 4, 4), "float32", 0),
        Tensor((2, 3, 1, 1), "float32", 1),
        Tensor((), "int64", 2),
        Tensor((1, 2, 4, 4), "float32", 3),
        Tensor((1, 32), "float32", 3),  # a view of the one before
    ),
    storages=(192, 24, 8, 128),
    freed=(None, None, None, 4),
    ops=(
        Op("conv2d", 1, (0, 1, None), (3,), {"padding": "same"}, composite=True),
        Op(
            "convolution",
            1,
            (0, 1, None),
            (3,),
            {
                "stride": (1, 1),
                "padding": (0, 0),
                "dilation": (1, 1),
                "transposed": False,
                "groups": 1,
                "nested": ((1,), (2, 3)),
            },
            0,
        ),
        Op("view", 0, (3,), (4,), {"size": (1, 32), "fill": float("-inf"), "note": None, "p": 0.5}),
        Op("relu_", 0, (3,), (3,), {}),
    ),
    inputs=(0,),
    outputs=(4,),
    taps=(Tap("low", "conv"),),
    unsaved=("conv.seen",),
    idle=("progress",),
    beside=(Saved("_extra_state", None), Saved("packed", (2, 3))),
)
