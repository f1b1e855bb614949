//! Health: what the detections say about the detector.
