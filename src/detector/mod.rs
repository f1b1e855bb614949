//! The detector: manifest, ONNX Runtime session, pre- and postprocessing.
