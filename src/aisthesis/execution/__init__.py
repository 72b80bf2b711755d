"""How work on chunks of images is shared out, and how far it is."""
