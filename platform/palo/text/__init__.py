"""Messages, conversation templates, tokenizers, and encoding to ids and label spans.

Light: nothing here imports torch, Ray or transformers.
"""
