"""Recognising a file without weights by its first bytes, and how to fix it."""

from __future__ import annotations

LFS_POINTER = b"version https://git-lfs"
SAFETENSORS_LENGTH = 8
"""Bytes that say how long a safetensors header is; the header itself is JSON."""
FETCH_AGAIN = "copy or download it again"
"""The help for a broken file."""

_FORMATS = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF",
    b"\x89HDF": "an HDF5 file, as Keras writes",
    b"GGUF": "a GGUF file",
    b"\x93NUMPY": "a NumPy array",
    b"\x1f\x8b": "compressed with gzip",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"\x7fELF": "a program",
}
_COMPRESSED = "compressed"
_ANOTHER = "name a file that torch.save or safetensors wrote"


def foreign_format(head: bytes) -> tuple[str, str]:
    """The format of a file that begins with *head*, and how to fix it."""
    if head.startswith(LFS_POINTER):
        what = "a git-lfs pointer, which stands for a file that was not fetched"
        return what, "fetch it: `git lfs pull`"
    if (text := describe_text(head)) is not None:
        return text
    for magic, what in _FORMATS.items():
        if head.startswith(magic):
            return what, "decompress it first" if what.startswith(_COMPRESSED) else _ANOTHER
    if head[257:262] == b"ustar":
        what = "a tar archive, which torch reads only without its guard"
        return what, "torch.save it again with a newer torch"
    what = "neither a torch file nor safetensors"
    return what, "if it was copied or downloaded, it may be damaged: fetch it again"


def describe_text(head: bytes) -> tuple[str, str] | None:
    """The kind of text that begins with *head*, and how to fix it; None if it is not text."""
    text = _as_text(head)
    if text is None:
        return None
    start = text.lstrip("\ufeff \t\r\n").lower()
    if start.startswith(("<!doctype html", "<html", "<head")):
        return "a web page", "the download may have asked for a login: fetch the file itself"
    if start.startswith(("{", "[")):
        return "JSON", "name a file with the weights themselves; an index of shards names several"
    return "text", _ANOTHER


def _as_text(head: bytes) -> str | None:
    """The bytes as text; None if they are not text. The last character may be cut off."""
    text = head.decode("utf-8", errors="replace")
    body = text.removesuffix("\ufffd")
    control = any(ord(character) < ord(" ") and character not in "\t\r\n\f" for character in body)
    return None if control or "\ufffd" in body or not body else body
