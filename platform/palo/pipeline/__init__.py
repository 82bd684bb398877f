"""The steps that turn a recipe into a finished, scored model; each is done once."""
