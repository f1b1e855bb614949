"""A traffic scene for Roadproof: pictures, ground truth and time as ROS 2 topics (docs/simulation.md)."""
