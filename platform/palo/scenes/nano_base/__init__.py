"""The base weights of the nano scale, made by jobs/build_nano_base.py, and how they are made."""
