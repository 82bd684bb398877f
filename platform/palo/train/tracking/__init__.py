"""Metrics for TensorBoard, MLflow and Weights & Biases, beside the stage's own files."""
