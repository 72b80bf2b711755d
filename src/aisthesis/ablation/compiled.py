"""Compiled networks run their own Python code, which hooks and torch.fx can see."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

__all__ = ["uncompiled"]


@contextmanager
def uncompiled(model: nn.Module) -> Iterator[None]:
    """Nothing that `torch.compile` made is used; afterwards all of it is in place again.

    Compiled code runs neither hooks that were added later nor, under torch.fx, at all.
    """
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is None:  # without it nothing is compiled, and importing it takes a second
        yield
        return
    with ExitStack() as stack:
        for module in model.modules():
            kept = vars(module)
            if isinstance(module, dynamo.OptimizedModule):
                stack.callback(_put, kept, "forward", kept.get("forward"))
                kept["forward"] = module._modules["_orig_mod"].__call__
            if kept.get("_compiled_call_impl") is not None:
                stack.callback(_put, kept, "_compiled_call_impl", kept["_compiled_call_impl"])
                kept["_compiled_call_impl"] = None
        # functions that a forward calls may be compiled too
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


def _put(table: dict[str, Any], name: str, value: Any) -> None:
    table[name] = value
