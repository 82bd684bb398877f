"""Images of chat requests: data URLs and remote images, decoded apart."""
