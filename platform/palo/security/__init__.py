"""What stands between the engine and the world: keys, limits, images, bodies, faults.

Nothing here knows Ray or a web framework beyond ASGI; the ingress puts the parts together.
"""
