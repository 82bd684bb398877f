"""Evaluation: answers to held-out questions, their scores with intervals, tables and plots."""
