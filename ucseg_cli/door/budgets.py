"""A count of parameters for training scripts, and a budget as an assertion for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ucseg_cli.door.values import Inputs, Model, Size


def count_parameters(model: Model) -> int:
    """The trainable parameters of a module or of a reference, each shared one once."""
    from ucseg_cli.door.functions import params

    trainable: int = params(model).data["total"]["trainable"]
    return trainable


def assert_budget(
    model: Model,
    *,
    size: Size | None = None,
    batch: int = 1,
    input: Inputs | None = None,  # noqa: A002 - named as the option is
    **limits: int | str,
) -> None:
    """Raise AssertionError if a model exceeds one of the *limits*, in the words of ``ucseg check``.

    Args:
        model: a module, which is afterwards as it was, or a reference.
        size: in pixels, as 512, (384, 640) or a text.
        batch: images in the input.
        input: tensors instead, whose shapes and element types are taken.
        limits: the most of each metric, as ``params="650k"``, ``macs=160_000_000``,
            ``peak_memory="20MB"``.

    Raises UcsegError for an unknown metric, and for a model that does not run.
    """
    from ucseg_cli.door.functions import check

    asked: dict[str, Any] = {name.replace("_", "-"): limit for name, limit in limits.items()}
    answer = check(model, size=size, batch=batch, input=input, max=asked)
    if not answer.ok:
        raise AssertionError("\n".join((answer.summary, *answer.failures)))
