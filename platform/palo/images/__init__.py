"""Image bytes and their sources: decoding, preprocessing, archives, downloads and the store."""
