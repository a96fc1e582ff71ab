"""The table of ``ucseg compare v1 v2`` from fvcore's and torchinfo's own API, for comparison."""

from __future__ import annotations

import logging

import torch
import torchinfo
from fvcore.nn import FlopCountAnalysis

from ucseg_cli import build_model

logging.getLogger("fvcore").setLevel(logging.ERROR)
for name in ("v1", "v2"):
    model, x = build_model(name).eval(), torch.zeros(1, 3, 224, 224)
    with torch.no_grad():
        flops = FlopCountAnalysis(model, x).by_module()
    summary = torchinfo.summary(model, input_data=x, depth=2, verbose=0)
    print(name, summary.total_params, flops[""])
    for path, _ in model.named_modules():
        if path.count(".") < 2:
            print(path, flops[path])
