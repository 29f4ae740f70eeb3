"""Floor 4: answers programmed in Python, and how the targets they choose from are."""
