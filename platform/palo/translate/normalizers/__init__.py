"""Writing conventions of languages: normalizers that never touch protected spans."""
