"""Floor 4: where records come from. Each source reads its form into a record stream with the places kept."""
