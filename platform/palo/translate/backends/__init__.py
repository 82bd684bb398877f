"""Who translates: a server, a model of one's own, or Apertium, behind one interface."""
