"""The second stage: images are decoded, encoded and stored once each."""
