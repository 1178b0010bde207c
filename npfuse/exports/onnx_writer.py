"""Collects the nodes and constants of an ONNX model."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET = 18
IR_VERSIONS = {18: 9, 21: 10}  # per opset, the oldest version that has it; every runtime with that opset reads it


@dataclass
class Writer:
    """Collects the nodes and constants of an ONNX graph.

    Parameters
    ----------
    opset : version of ONNX's operators; 21 for those that quantise to 16 bits
    """

    opset: int = OPSET
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        """Store an array under a name that is used once, and return the name."""
        array = np.ascontiguousarray(value, dtype).reshape(np.shape(value))  # the former makes scalars arrays
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, name: str, *inputs: str, **attributes: Any) -> str:
        """Append a node that computes one value, and return the value's name."""
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def model(
        self, name: str, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto], doc: str = ""
    ) -> bytes:
        """Return the checked model, serialized."""
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self.opset)],
            ir_version=IR_VERSIONS[self.opset],
            producer_name="npfuse",
            doc_string=doc,
        )
        onnx.checker.check_model(model, full_check=True)
        serialized: bytes = model.SerializeToString()
        return serialized
