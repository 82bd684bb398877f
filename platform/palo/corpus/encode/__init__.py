"""The last stage: records become token ids."""
