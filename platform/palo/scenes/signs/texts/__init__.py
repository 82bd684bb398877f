"""What signs say, a module for each language, named by its code."""
