"""Translation of instructions: backends, protected spans, normalizers, checks, review, learning."""
