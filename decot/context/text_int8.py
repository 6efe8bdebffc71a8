"""An encoder with 8-bit weights under onnxruntime, made from the very weights it replaces. Knows no texts.

`python -m decot.context.text_int8 FOLDER` writes it beside the model once. It is a different model, and says so:
the identity of its rows differs, and how often its labels agree with the full one's is measured, not assumed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from decot.errors import CheckpointRefused, MissingWeights

FILE, NOTES = "decot_int8.onnx", "decot_int8.json"


def prepare_int8(folder: Path) -> Path:
    """Export the model of `folder` and quantise its matrices dynamically; returns the file written beside it.

    Raises:
        MissingWeights: onnx or onnxruntime is not installed; the message says which command brings them.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    _, quantization = _onnxruntime()
    model = AutoModelForSequenceClassification.from_pretrained(
        str(folder), local_files_only=True, use_safetensors=True, attn_implementation="eager"
    ).eval()

    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> tuple[Any, Any]:
            found = self.model(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True)
            return found.hidden_states[-1], found.logits

    tokens = torch.full((2, 8), 5, dtype=torch.int64)
    rows, words = {0: "texts"}, {0: "texts", 1: "tokens"}
    with tempfile.TemporaryDirectory() as aside, _hushed():
        full, small = Path(aside) / "full.onnx", Path(aside) / "small.onnx"
        torch.onnx.export(
            Both().eval(),
            (tokens, torch.ones_like(tokens)),
            str(full),
            input_names=["input_ids", "attention_mask"],
            output_names=["hidden", "logits"],
            dynamic_axes={"input_ids": words, "attention_mask": words, "hidden": words, "logits": rows},
            opset_version=17,
            dynamo=False,
        )
        quantization.quantize_dynamic(str(full), str(small), weight_type=quantization.QuantType.QInt8)
        part = folder / f"{FILE}.{os.getpid()}.part"
        part.write_bytes(small.read_bytes())
    os.replace(part, folder / FILE)
    (folder / NOTES).write_text(json.dumps({"made_from": _weights_digest(folder)}))
    return folder / FILE


def open_int8(folder: Path) -> Any:
    """An onnxruntime session on one thread.

    Raises:
        MissingWeights: it was never made here. CheckpointRefused: it was made from other weights.
    """
    if not (folder / FILE).is_file() or not (folder / NOTES).is_file():
        raise MissingWeights(
            f"{folder}: no {FILE}; run `python -m decot.context.text_int8 {folder}` once, or set text.int8 to false"
        )
    said = json.loads((folder / NOTES).read_text()).get("made_from", "")
    if said != _weights_digest(folder):
        raise CheckpointRefused(
            f"{folder / FILE}: made from weights {said[:12]}, the folder holds others; make it again"
        )
    onnxruntime, _ = _onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(folder / FILE), options, providers=["CPUExecutionProvider"])


def run_int8(session: Any, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Last hidden layer (N, L, H) and logits (N, 3) of N texts of equal length L."""
    hidden, logits = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    return hidden, logits


def _onnxruntime() -> tuple[Any, Any]:
    """The two modules, by name because they are an extra."""
    try:
        return import_module("onnxruntime"), import_module("onnxruntime.quantization")
    except ImportError as absent:
        raise MissingWeights(
            f"text.int8 needs {absent.name}; run `pip install onnx onnxruntime`, or set text.int8 to false"
        ) from absent


@contextmanager
def _hushed() -> Iterator[None]:
    """Exporter and quantiser advise at length; none of it is for the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(before)


def _weights_digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(f"{prepare_int8(Path(sys.argv[1]))}\n")
