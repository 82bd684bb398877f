"""Translating whole corpora: resumable, each conversation once, each answer paid for once."""
