"""Image bytes and their sources: decoding, preprocessing, archives, downloads and the store.

An image is named by the SHA-256 of its file. It is decoded in a child process, preprocessed as its
tower wants it, and kept in a store with one row for each distinct image.
"""
