"""Looking at what a build made: for eyes in a terminal or a browser, and for repair."""
