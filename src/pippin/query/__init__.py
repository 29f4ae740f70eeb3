"""Floor 3: the slow path. Questions, replies, and the bounded pipeline of handlers between them."""
