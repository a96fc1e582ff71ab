"""Recognising what ucseg does not read, by its first bytes or its name, and what to do instead."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

LFS_POINTER = b"version https://git-lfs"
SAFETENSORS_LENGTH = 8
"""Bytes that say how long a safetensors header is; the header itself is JSON."""
FETCH_AGAIN = "copy or download it again"
"""The help for a broken file."""
SAVE_KERAS = (
    "save its arrays: numpy.savez('weights.npz', **{w.path: w.numpy() for w in model.weights})"
)
LEAST_INSTRUCTIONS = 2
"""Instructions that show a pickle without a mark; one could be a letter of a text."""
IMPORTS = ("GLOBAL", "INST")
TWO_NAMES = re.compile(r"[\w.<>]+ [\w.<>]+")
"""The module and the name in it that these instructions are about."""

_READ = "ucseg reads files of torch and safetensors, and .npz"
_ANOTHER = "name a file that torch.save or safetensors wrote"
_DECOMPRESS = "decompress it first"
_SAVE_TENSORFLOW = (
    "save its arrays: r = tf.train.load_checkpoint(PATH); numpy.savez('weights.npz', "
    "**{name: r.get_tensor(name) for name in r.get_variable_to_shape_map()})"
)
_SAVE_FLAX = (
    "save its arrays: safetensors.flax.save_file(flax.traverse_util.flatten_dict(params, sep='.'), "
    "'weights.safetensors')"
)
_SAVE_ONNX = (
    "name the model that it was exported from, or save its arrays: numpy.savez('weights.npz', "
    "**{t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(PATH).graph.initializer})"
)
_SOURCE = "name the weights or the model that it was converted from"
_FETCH_WEB = "the download may have asked for a login: fetch the file itself"


class Format(NamedTuple):
    """In words: *what* a file or a folder is, and how to get to weights from there."""

    what: str
    help: str


_BY_CONTENT = {
    LFS_POINTER: Format(
        "a git-lfs pointer, which stands for a file that was not fetched",
        "fetch it: `git lfs pull`",
    ),
    rb"\x89PNG": Format("a PNG image", _ANOTHER),
    rb"\xff\xd8\xff": Format("a JPEG image", _ANOTHER),
    rb"GIF8": Format("a GIF image", _ANOTHER),
    rb"%PDF": Format("a PDF", _ANOTHER),
    rb"\x7fELF": Format("a program", _ANOTHER),
    rb"\x1f\x8b": Format("compressed with gzip", _DECOMPRESS),
    rb"BZh": Format("compressed with bzip2", _DECOMPRESS),
    rb"\xfd7zXZ": Format("compressed with xz", _DECOMPRESS),
    rb"\x28\xb5\x2f\xfd": Format("compressed with zstd", _DECOMPRESS),
    rb".{257}ustar": Format(
        "a tar archive, which torch reads only without its guard",
        "torch.save it again with a newer torch",
    ),
    rb"\x93NUMPY": Format(
        "a single NumPy array", "save arrays by name: numpy.savez('weights.npz', **arrays)"
    ),
    rb"\x89HDF": Format("an HDF5 file, as Keras writes", SAVE_KERAS),
    rb"GGUF|lmgg|tjgg|fmgg": Format("a GGUF file", _SOURCE),
    rb"....TFL3": Format("a TensorFlow Lite file", _SOURCE),
    # Protocol buffers begin with their first field: a version, and before it, in a graph, a node.
    rb"\x08\x01\x12": Format("a TensorFlow SavedModel", _SAVE_TENSORFLOW),
    rb"\n[\x05-\xff]{1,3}\n.{1,100}\x12": Format("a TensorFlow graph", _SAVE_TENSORFLOW),
    rb"\x08[\x02-\x1f]\x12.{1,2}\n": Format("a Core ML file", _SOURCE),
    rb"\x08[\x02-\x1f][\x12\x1a\x22\x28\x32\x3a\x42]": Format("an ONNX file", _SAVE_ONNX),
    # A map of at most 15 names, or of more, whose first key is a text.
    rb"([\x81-\x8f]|\xde..|\xdf....)([\xa1-\xbf]|\xd9.)[\x20-\x7e]": Format(
        "a msgpack file, as Flax writes", _SAVE_FLAX
    ),
    rb"MATLAB 5\.0 MAT-file": Format("a MATLAB file", _SOURCE),
    rb"\x12\x01\x00{6}": Format("an MXNet file", _SOURCE),
    rb"RKNN": Format("an RKNN file", _SOURCE),
}
"""Formats by a pattern of their first bytes; the first that fits, counts."""

_BY_NAME = {
    r"\.(index|data-\d+-of-\d+)": Format("part of a TensorFlow checkpoint", _SAVE_TENSORFLOW),
    r"\.onnx": Format("an ONNX file", _SAVE_ONNX),
    r"\.pb": Format("a TensorFlow graph", _SAVE_TENSORFLOW),
    r"\.mlmodel": Format("a Core ML file", _SOURCE),
    r"\.(engine|plan|trt)": Format("a TensorRT engine", _SOURCE),
    r"\.caffemodel": Format("a Caffe file", _SOURCE),
    r"\.pdmodel": Format("a program of Paddle", _SOURCE),
    r"\.weights": Format("a Darknet file", _SOURCE),
}
"""Formats by the end of a file's name, where the content does not show one."""

_BY_MEMBER = {
    "saved_model.pb": Format("a TensorFlow SavedModel", _SAVE_TENSORFLOW),
    "checkpoint": Format("a folder of TensorFlow checkpoints", _SAVE_TENSORFLOW),
    "_METADATA": Format("an Orbax checkpoint", _SAVE_FLAX),
    "manifest.ocdbt": Format("an Orbax checkpoint", _SAVE_FLAX),
    "Manifest.json": Format("a Core ML package", _SOURCE),
}
"""Formats of folders by a name inside."""


def refusal(path: str, what: str) -> str:
    """The sentence for a file that is not read."""
    return f"{path} is {what}; {_READ}"


def foreign_format(name: str, head: bytes) -> Format:
    """The format of a file of that name that begins with *head*."""
    for pattern, found in _BY_CONTENT.items():
        if re.match(pattern, head, re.DOTALL):
            return found
    text = describe_text(head)
    if text is not None:
        return text
    for ending, found in _BY_NAME.items():
        if re.search(f"{ending}$", name, re.IGNORECASE):
            return found
    return Format(
        "neither a torch file nor safetensors",
        "if it should be, it is damaged: copy or download it again",
    )


def foreign_folder(names: Collection[str]) -> Format | None:
    """The format of a folder with these names in it; None for one of no format that is known."""
    return next((found for member, found in _BY_MEMBER.items() if member in names), None)


def begins_a_pickle(head: bytes) -> bool:
    """Whether it is the beginning of a pickle; protocols 0 and 1 have no mark of their own."""
    if head.startswith(b"\x80"):
        return True
    from io import BytesIO
    from pickletools import genops

    stream, count = BytesIO(head), 0
    try:
        for instruction, argument, _ in genops(stream):
            takes = instruction.stack_before if not count else ()
            if takes or (instruction.name in IMPORTS and not TWO_NAMES.fullmatch(str(argument))):
                return False
            count += 1
    except UnicodeDecodeError:  # Python 2 put data into its texts
        pass
    except ValueError:  # an instruction that is not one, or that is cut off with the head
        if stream.tell() < len(head):
            return False
    return count >= LEAST_INSTRUCTIONS


def describe_text(head: bytes) -> Format | None:
    """The kind of text that begins with *head*; None if it is not text."""
    text = _as_text(head)
    if text is None:
        return None
    start = text.lstrip("\ufeff \t\r\n").lower()
    if start.startswith(("<!doctype html", "<html", "<head")):
        return Format("a web page", _FETCH_WEB)
    if start.startswith(("{", "[")):
        return Format(
            "JSON", "name a file with the weights themselves; an index of shards names several"
        )
    return Format("text", _ANOTHER)


def _as_text(head: bytes) -> str | None:
    """The bytes as text; None if they are not text. The last character may be cut off."""
    text = head.decode("utf-8", errors="replace")
    body = text.removesuffix("\ufffd")
    control = any(ord(character) < ord(" ") and character not in "\t\r\n\f" for character in body)
    return None if control or "\ufffd" in body or not body else body
