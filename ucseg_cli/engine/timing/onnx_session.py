"""A model as onnxruntime runs it, exported by torch's own exporter."""

from __future__ import annotations

import logging
import warnings
from importlib import import_module
from typing import Any

import torch
from torch import nn

from ucseg_cli.engine.forward_arguments import Arguments
from ucseg_cli.engine.timing.timing_devices import Call
from ucseg_cli.engine.user_code.import_model import error_text
from ucseg_cli.errors import ModelError, ResourceError
from ucseg_cli.facts.timing.timing_setup import TimingSetup

NEEDED = ("onnxruntime", "onnx", "onnxscript")
"""The distributions of the extra ``runtime``; torch's exporter needs the last two."""
WARNINGS_AND_WORSE = 3
"""The severity from which onnxruntime writes to stderr: errors."""


def onnx_call(module: nn.Module, arguments: Arguments, setup: TimingSetup) -> Call:
    """A call of the exported model; raises ResourceError where what it needs is not installed.

    Raises ModelError for a model that cannot be exported.
    """
    runtime = _require()
    session = _session(runtime, _exported(module, arguments), setup)
    names = [given.name for given in session.get_inputs()]
    tensors = arguments.tensors
    if len(names) != len(tensors):
        what = f"the exported model takes {len(names)} of {len(tensors)} input tensors"
        raise ModelError(what, where="onnxruntime", help="`--runtime eager` takes them all")
    feed = {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}
    return lambda: [torch.from_numpy(output) for output in session.run(None, feed)]


def _require() -> Any:
    """The module onnxruntime, if all is there."""
    for name in NEEDED:
        try:
            import_module(name)
        except ImportError as error:
            raise ResourceError(
                f"{name} cannot be imported: {error}",
                where="--runtime onnxruntime",
                help="pip install '.[runtime]' in a clone, or pip install " + " ".join(NEEDED),
            ) from error
    return import_module(NEEDED[0])


def _exported(module: nn.Module, arguments: Arguments) -> bytes:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own parts that are deprecated
        try:
            program: Any = torch.onnx.export(
                module,
                tuple(arguments.positional),
                kwargs=dict(arguments.keywords),
                dynamo=True,
                verbose=False,
            )
            written: bytes = program.model_proto.SerializeToString()
        except Exception as error:
            text = error_text(error)
            what = f"torch's exporter to ONNX cannot take the model: {text}"
            raise ModelError(what, help="`--runtime eager` needs no export") from error
    return written


def _session(runtime: Any, model: bytes, setup: TimingSetup) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = setup.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = WARNINGS_AND_WORSE
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
