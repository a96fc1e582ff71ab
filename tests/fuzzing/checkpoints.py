"""Files of weights, of every library that writes them."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.mutations import damage_bytes, damage_json
from fuzzing.small import FORMATS


def make_checkpoint(random: Random, folder: Path) -> Sequence[str]:
    """A file of weights of each kind, damaged from outside or in a member that is whole again."""
    kind = random.choice(list(_good_checkpoints()))
    data = _good_checkpoints()[kind]
    if data[:4] == b"PK\x03\x04" and random.random() < 0.7:
        data = _damage_member(random, data)
    elif kind == "w.safetensors" and random.random() < 0.7:
        data = _damage_header(random, data)
    elif kind.endswith(".json"):
        data = json.dumps(damage_json(random, json.loads(data))).encode()
    else:
        data = damage_bytes(random, data)
    (folder / kind).write_bytes(data)
    if kind.endswith(".json"):
        (folder / "part.safetensors").write_bytes(_good_checkpoints()["w.safetensors"])
    words = [random.choice(("params", "params", "show", "identify")), kind]
    if words[0] == "params" and random.random() < 0.7:
        words += ["--sparsity", *(("--model", "v2") if random.random() < 0.1 else ())]
    elif random.random() < 0.2:
        words = ["compare", kind, "v2"]
    key = ["--key", "state_dict"] if words[0] == "identify" and random.random() < 0.1 else []
    return [*words, *key, "--format", random.choice(FORMATS)]


@cache
def _good_checkpoints() -> dict[str, bytes]:
    """A small state dict as each library writes it."""
    import numpy as np
    import torch
    from safetensors.torch import save
    from torch import nn

    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    state = net.state_dict()
    nested = {"epoch": 3, "state_dict": {f"module.{name}": one for name, one in state.items()}}
    names = {f"{name}": "part.safetensors" for name in state}
    index = {"metadata": {"total_size": 400}, "weight_map": names}
    found = {"w.safetensors": save(state), "w.safetensors.index.json": json.dumps(index).encode()}
    written = (("w.pt", state, True), ("n.ckpt", nested, True), ("o.pth", state, False))
    for name, value, is_zip in written:
        for protocol in (0, 1, 2):
            stream = io.BytesIO()
            torch.save(
                value, stream, pickle_protocol=protocol, _use_new_zipfile_serialization=is_zip
            )
            found[f"{protocol}{name}"] = stream.getvalue()
    arrays = {name: one.numpy() for name, one in state.items()}
    for name, save_arrays in (("a.npz", np.savez), ("c.npz", np.savez_compressed)):
        stream = io.BytesIO()
        save_arrays(stream, **arrays)
        found[name] = stream.getvalue()
    for name, is_zip in (("v.pt", True), ("x.pt", False)):
        stream = io.BytesIO()
        torch.save(_views(), stream, _use_new_zipfile_serialization=is_zip)
        found[name] = stream.getvalue()
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        found[f"a{protocol}.pkl"] = pickle.dumps(arrays, protocol=protocol)
        found[f"s{protocol}.pkl"] = pickle.dumps(state, protocol=protocol)
    return found


def _views() -> dict[str, Any]:
    """Tensors that are parts of storages, in odd orders and types, with a NaN."""
    import torch

    whole = torch.arange(48.0).reshape(6, 8)
    whole[3] = float("nan")
    return {
        "part.weight": whole[1:5, ::2],
        "turned.weight": whole.t(),
        "endless.weight": torch.zeros(1).expand(1 << 40, 3),
        "windows.weight": torch.zeros(9).unfold(0, 3, 1),
        "small.weight": torch.ones(4, 2).to(torch.float8_e5m2),
        "sparse.weight": torch.eye(3).to_sparse(),
        "conv.weight_orig": whole[:2],
        "conv.weight_mask": torch.zeros(2, 8),
    }


def _damage_member(random: Random, data: bytes) -> bytes:
    """A zip file again, with one member damaged, missing or there twice."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w") as new:
        names = old.namelist()
        pickles = [name for name in names if name.endswith("data.pkl")]
        target = random.choice(pickles if pickles and random.random() < 0.8 else names)
        new_name = random.choice((*[target] * 9, f"../{target}"))
        for name in names:
            if name != target:
                new.writestr(name, old.read(name))
            elif random.random() < 0.95:
                new.writestr(new_name, damage_bytes(random, old.read(name)))
    return stream.getvalue()


def _damage_header(random: Random, data: bytes) -> bytes:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    damaged = json.dumps(damage_json(random, header)).encode()
    return len(damaged).to_bytes(8, "little") + damaged + data[8 + length :]
